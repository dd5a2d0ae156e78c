// SPDX-License-Identifier: MIT

// Package size computes how large the rings of each transport must be so that nothing is
// lost while the reader is away, and says which trials prove it.
//
// Its functions are pure: they make no system call, and measure nothing.
package size
