// SPDX-License-Identifier: MIT

// Package vmtest boots kernels in throwaway virtual machines.
//
// A [Host] is what this machine offers: a cache, QEMU, an accelerator that was proved,
// memory and cores. It resolves and fetches kernels, and prepares [Machines] of one:
// each [Guest] is a fresh machine, restored from a snapshot that was saved when it was
// ready, or booted. A program of one's own runs in a guest by [Host.Exec].
//
// The guest is this very program, started as PID 1: see package guest for what main has
// to call first. Requests and answers are JSON; what they mean is the business of whoever
// sends and serves them. Nothing here needs root.
package vmtest
