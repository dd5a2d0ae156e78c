// SPDX-License-Identifier: MIT

package main

import (
	"github.com/ringtwin/ringtwin/internal/buildinfo"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// versionCmd identifies this program.
type versionCmd struct {
	JSON bool `name:"json" help:"Write JSON."`
	qemuFlag
}

// Run prints the version, with QEMU's where there is one.
func (v *versionCmd) Run(e *env) error {
	qemu, _ := machine.Version(e.ctx, v.QEMU)
	return buildinfo.InfoOf(buildinfo.Tool(), qemu).Write(e.stdout, v.JSON)
}
