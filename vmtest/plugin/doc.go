// SPDX-License-Identifier: MIT

// Package plugin counts exactly what an emulated guest executes, by call context: a plugin
// of QEMU's, the memory that it shares with this process, and the guest's symbols.
//
// It is attached to a machine that is restored from a snapshot, and changes nothing that
// the guest can see. A guest marks what is to be counted by instructions that do nothing:
// see layout.h.
//
// make generate installs the pinned compiler first.
package plugin

//go:generate clang-14 --target=x86_64-linux-gnu -I/usr/include/x86_64-linux-gnu -DAPI=1 -O2 -Wall -Wextra -Werror -shared -fPIC -fvisibility=hidden -nostartfiles -fuse-ld=lld-14 -Wl,--build-id=none -Wl,-s -o count_1_amd64.so count.c
//go:generate clang-14 --target=x86_64-linux-gnu -I/usr/include/x86_64-linux-gnu -DAPI=2 -O2 -Wall -Wextra -Werror -shared -fPIC -fvisibility=hidden -nostartfiles -fuse-ld=lld-14 -Wl,--build-id=none -Wl,-s -o count_2_amd64.so count.c
//go:generate clang-14 --target=x86_64-linux-gnu -I/usr/include/x86_64-linux-gnu -DAPI=3 -O2 -Wall -Wextra -Werror -shared -fPIC -fvisibility=hidden -nostartfiles -fuse-ld=lld-14 -Wl,--build-id=none -Wl,-s -o count_3_amd64.so count.c
