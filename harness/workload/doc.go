// SPDX-License-Identifier: MIT

// Package workload causes the events that a trial counts, and records what it did: the
// ground truth.
//
// Both workloads run an embedded static 2 KiB program: execve starts real processes of
// it, storm makes it call getpgid(2). The package is independent of the tracer. A
// Workload is for one goroutine.
package workload

// make generate installs the pinned compiler and linker first.

//go:generate clang-14 --target=x86_64-linux-gnu -I/usr/include/x86_64-linux-gnu -O2 -Wall -Wextra -Werror -ffreestanding -fno-builtin -fno-stack-protector -fno-asynchronous-unwind-tables -static -nostdlib -fuse-ld=lld-14 -Wl,--build-id=none -Wl,-z,noseparate-code -Wl,-s -o load_amd64.elf load.c
