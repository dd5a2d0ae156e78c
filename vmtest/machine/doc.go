// SPDX-License-Identifier: MIT

// Package machine runs one throwaway virtual machine with QEMU: it builds the command
// line, or has virtme-ng build it, waits for the guest, sends it requests, and reports
// why a guest does not answer.
//
// It does not know what a request means, nor where the kernel came from. A Machine is for
// one goroutine, except that Kill may be called from any.
package machine
