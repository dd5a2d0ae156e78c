// SPDX-License-Identifier: MIT

package kernel

// Err is why the kernel could not be resolved; nil: it was.
func (r Ref) Err() error { return r.unresolved }
