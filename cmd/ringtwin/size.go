// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"errors"
	"runtime"
	"time"

	"github.com/ringtwin/ringtwin"
	"github.com/ringtwin/ringtwin/harness/results"
	"github.com/ringtwin/ringtwin/harness/size"
	"github.com/ringtwin/ringtwin/internal/progress"
)

// sizeCmd computes the sizes of rings, and proves them.
type sizeCmd struct {
	Rate   string        `help:"Events a second, of all CPUs together, such as 50k." placeholder:"HZ"`
	Burst  string        `help:"Events at once, such as 20k." placeholder:"N"`
	Stall  time.Duration `min:"1us" max:"24h" help:"Time for which the reader is away, such as 50ms." placeholder:"TIME"`
	Bytes  string        `help:"Size of an event, plain or in KiB or MiB." placeholder:"SIZE"`
	CPUs   int           `name:"cpus" min:"1" max:"8192" help:"Possible CPUs of the machine. Default: this machine's." placeholder:"N"`
	From   []string      `help:"Result files, from which rate, burst and bytes are taken where no flag gives them." placeholder:"FILE" type:"existingfile"`
	Proof  bool          `default:"true" negatable:"" help:"Prove each size by trials: at it none of the events is lost, at half of it some are."`
	Kernel string        `help:"Kernel of the proof, in a throwaway VM, as for vmtest. Default: this kernel, which needs root." placeholder:"KERNEL"`
	Format string        `default:"text" enum:"text,json" help:"Output format: ${enum}. Default: ${default}."`
	kernelFlags
	accelFlag
	qemuFlag
}

// Run prints the sizes, even if the proof was not possible.
func (s *sizeCmd) Run(e *env) error {
	words := size.Words{Rate: s.Rate, Burst: s.Burst, Bytes: s.Bytes, Stall: s.Stall, CPUs: cmp.Or(s.CPUs, runtime.NumCPU())}
	answer, err := results.Sizes(words, s.From)
	if err != nil {
		return usageError{err}
	}
	var unproved error
	if s.Proof {
		unproved = s.prove(e, answer.Sizes)
	}
	if errors.As(unproved, new(usageError)) {
		return unproved
	}
	if err := answer.Write(e.stdout, s.Format == "json"); err != nil {
		return err
	}
	e.explain("", unproved)
	return outcome(cmp.Or(unproved, answer.Err()), size.ErrRefuted)
}

// prove measures on this kernel, or on another in a VM.
func (s *sizeCmd) prove(e *env, sizes []size.Size) error {
	if s.Kernel != "" {
		host, show, ref, err := e.machine(s.kernelFlags, s.qemuFlag, s.accelFlag, s.Kernel)
		if err != nil {
			return err
		}
		defer show.End()
		return ringtwin.ProveIn(e.ctx, host, ref, sizes)
	}
	show := progress.New(e.stderr)
	defer show.End()
	return needsRoot(ringtwin.ProveHere(e.ctx, show, sizes), "the proof", "ringtwin size --kernel 6.1; or print the sizes alone with --proof=false")
}
