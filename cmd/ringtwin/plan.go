// SPDX-License-Identifier: MIT

package main

import (
	"github.com/ringtwin/ringtwin"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/internal/progress"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// planCmd shows what vmtest would measure.
type planCmd struct {
	Kernels []string `arg:"" name:"kernel" help:"Kernels, as for vmtest."`
	kernelFlags
	planFlags
	workFlags
	JSON   bool `name:"json" xor:"format" help:"Print one JSON object."`
	Matrix bool `xor:"format" help:"Print the kernels in one line of JSON, for the matrix of a CI system, with a name of each that is safe for files and artifacts."`
}

// Run resolves the kernels, and boots nothing.
func (p *planCmd) Run(e *env) error {
	spec := vmtest.Spec{Virtual: p.Clock == record.Virtual, CPUs: p.CPUs}.Defaults()
	if err := p.check(spec, machine.Auto); err != nil {
		return usageError{err}
	}
	what, err := p.load(spec.CPUs, p.Seeds)
	if err != nil {
		return err
	}
	lock, err := p.lock()
	if err != nil {
		return err
	}
	show := progress.New(e.stderr)
	refs, err := vmtest.Resolve(e.ctx, vmtest.Config{Offline: p.Offline, Lock: lock, Places: kernel.PlacesFromEnvironment(), Progress: show}, p.Kernels...)
	show.End()
	if err != nil {
		return mistake(err)
	}
	work, err := (&ringtwin.Campaign{Plan: what, Clock: p.Clock, Spec: spec, Shard: p.Shard}).Work(refs)
	switch {
	case err != nil:
		return err
	case p.JSON:
		return work.WriteJSON(e.stdout)
	case p.Matrix:
		return work.WriteMatrix(e.stdout)
	}
	return work.Write(e.stdout)
}
