// SPDX-License-Identifier: MIT

// Package machine runs one throwaway virtual machine with QEMU: it makes the
// command line, or has virtme-ng make it, waits for the guest, carries requests
// to it, and says what happened when it does not answer.
//
// It does not know what a request means, nor where the kernel came from. A
// Machine is for one goroutine, except that Kill may be called from any.
package machine
