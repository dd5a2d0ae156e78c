// SPDX-License-Identifier: MIT

package trace

import "golang.org/x/sys/unix"

const sysEpollWait = unix.SYS_EPOLL_WAIT
