// SPDX-License-Identifier: MIT

// Package vmtest boots kernels in throwaway virtual machines.
//
// A [Host] is what this machine offers: a cache, QEMU, a tested accelerator, memory and
// cores. It resolves and fetches kernels, and prepares the [Machines] of a kernel. Each
// [Guest] is a fresh machine, restored from a snapshot of a ready machine, or booted.
// [Host.Exec] runs a user's program in a guest.
//
// The guest is this program, started as PID 1: package guest documents what main must
// call first. Requests and answers are JSON; only their sender and handler interpret
// them. Nothing here needs root.
package vmtest
