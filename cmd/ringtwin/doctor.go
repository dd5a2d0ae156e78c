// SPDX-License-Identifier: MIT

package main

import (
	"slices"

	"github.com/ringtwin/ringtwin"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
)

// doctorCmd checks what this machine can do.
type doctorCmd struct {
	JSON bool `name:"json" help:"Write JSON."`
	qemuFlag
}

// Run checks every part. The exit code is 3 if the main job cannot run.
func (d *doctorCmd) Run(e *env) error {
	findings, err := ringtwin.Doctor(e.ctx, vmtest.Config{QEMU: d.QEMU, Places: kernel.PlacesFromEnvironment()})
	if err != nil {
		return err
	}
	if err := ringtwin.WriteFindings(e.stdout, findings, d.JSON); err != nil {
		return err
	}
	if slices.ContainsFunc(findings, func(f ringtwin.Finding) bool { return f.Needed && !f.OK }) {
		return exitError(exitInfra)
	}
	return nil
}
