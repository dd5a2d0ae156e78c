// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/ringtwin/ringtwin"
	"github.com/ringtwin/ringtwin/harness/selftest"
	"github.com/ringtwin/ringtwin/internal/progress"
)

// selftestCmd verifies the measurements: exactly in a machine in virtual time, and as far
// as possible on the running kernel.
type selftestCmd struct {
	Where  []string `default:"machine,host" enum:"machine,host" help:"Where to inject faults: machine is a throwaway VM in virtual time, which recovers all of them exactly on any host; host is this kernel, which needs root. Default: ${default}." placeholder:"PLACE"`
	Kernel string   `default:"6.1" help:"Kernel of the VM, as for vmtest. Default: ${default}." placeholder:"KERNEL"`
	kernelFlags
	AA   int  `name:"aa" default:"20" min:"0" max:"10000" help:"Number of comparisons of a transport with itself on this kernel. None should find a difference. Default: ${default}." placeholder:"N"`
	JSON bool `name:"json" help:"Write one line of JSON per result."`
	qemuFlag
}

// Run injects faults, and checks that equal measurements show no difference. A place
// where that is impossible does not affect the results of others.
func (s *selftestCmd) Run(e *env) error {
	show := progress.New(e.stderr)
	defer show.End()
	var results []selftest.Placed
	var errs []error
	for _, place := range []struct {
		name   string
		inject func(e *env, report func(where string, r selftest.Result)) error
	}{{"machine", s.inMachine}, {"host", s.onHost}} {
		if !slices.Contains(s.Where, place.name) {
			continue
		}
		err := place.inject(e, func(where string, r selftest.Result) {
			results = append(results, selftest.Placed{Where: where, Result: r})
			if s.JSON { // as soon as it is known
				_ = json.NewEncoder(e.stdout).Encode(results[len(results)-1])
			}
		})
		if errors.As(err, new(usageError)) || e.ctx.Err() != nil {
			return err
		}
		errs = append(errs, err)
	}
	var found selftest.Alarms
	if slices.Contains(s.Where, "host") && os.Geteuid() == 0 {
		var err error
		if found, err = ringtwin.CountAlarms(e.ctx, s.AA, show); err != nil {
			errs = append(errs, err)
		}
	}
	show.End()
	if err := selftest.Write(e.stdout, results, found, s.JSON); err != nil {
		return err
	}
	if found.Answer == selftest.NotFound || slices.ContainsFunc(results, func(r selftest.Placed) bool { return r.Answer == selftest.NotFound }) {
		return exitError(exitFailed)
	}
	e.explain("", errs...)
	return outcome(errors.Join(errs...), nil)
}

// inMachine injects faults into measurements in virtual time.
func (s *selftestCmd) inMachine(e *env, report func(string, selftest.Result)) error {
	host, show, ref, err := e.machine(s.kernelFlags, s.qemuFlag, emulated, s.Kernel)
	if err != nil {
		return err
	}
	defer show.End()
	release, found, err := ringtwin.SelftestIn(e.ctx, host, ref)
	for _, r := range found {
		report(fmt.Sprintf("Linux %s, in virtual time", release), r)
	}
	return err
}

// onHost injects faults into measurements on this kernel.
func (s *selftestCmd) onHost(e *env, report func(string, selftest.Result)) error {
	if os.Geteuid() != 0 {
		return errors.New("selftest on this kernel needs root: run it with sudo, or with --where machine")
	}
	show := progress.New(e.stderr)
	defer show.End()
	return ringtwin.SelftestHere(e.ctx, show, func(r selftest.Result) {
		report("this kernel, by the host's clock", r)
	})
}
