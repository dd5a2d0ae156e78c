// SPDX-License-Identifier: MIT

//go:build !amd64

package trace

// sysEpollWait is no system call: newer architectures have only epoll_pwait.
const sysEpollWait = 1 << 30
