// SPDX-License-Identifier: MIT

// Command ringtwin compares the perf buffer with the BPF ring buffer on real
// kernels. As PID 1 of a throwaway machine it is the guest.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/ringtwin/ringtwin"
)

func main() {
	ringtwin.Init()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
