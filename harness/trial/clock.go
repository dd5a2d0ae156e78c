// SPDX-License-Identifier: MIT

package trial

import _ "unsafe" // for go:linkname

// nanotime is CLOCK_MONOTONIC without a system call. It is the clock of
// bpf_ktime_get_ns, so the two can be subtracted; time.Time hides its reading,
// and clock_gettime through x/sys is a real system call for every event.
//
//go:linkname nanotime runtime.nanotime
func nanotime() int64
