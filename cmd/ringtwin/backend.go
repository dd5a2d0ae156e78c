// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// What makes machines, as the flag and the records call it.
const (
	vmQEMU = "qemu"
	vmVNG  = "vng"
)

// backend is what makes the machines of a run.
type backend struct {
	name    string
	version string
	vng     *machine.VNG // nil: they are made here
}

// backend finds what the flags ask for.
func (v *vmtestCmd) backend(ctx context.Context, qemuVersion string) (backend, error) {
	if v.VM != vmVNG {
		return backend{name: vmQEMU, version: qemuVersion}, nil
	}
	version, err := machine.VNGVersion(ctx)
	if err != nil {
		return backend{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return backend{}, fmt.Errorf("find own program: %w", err)
	}
	if v.QEMU != machine.DefaultQEMU {
		// virtme-ng wants the path of a file, and runs elsewhere.
		if v.QEMU, err = exec.LookPath(v.QEMU); err == nil {
			v.QEMU, err = filepath.Abs(v.QEMU)
		}
		if err != nil {
			return backend{}, err
		}
	}
	v.Cold = true // what it boots cannot be saved: the root is this system's
	return backend{
		name:    vmVNG,
		version: fmt.Sprintf("%s, QEMU %s", version, qemuVersion),
		vng:     &machine.VNG{Guest: []string{self, "guest"}},
	}, nil
}

// wantsModules says whether a kernel's modules are worth fetching. Debian's cloud
// flavour has no 9p among them.
func (b backend) wantsModules(ref kernel.Ref) bool { return b.vng != nil && ref.Flavour != "cloud" }

// boots returns nil for a kernel that the backend can boot.
func (b backend) boots(k *kernel.Bundle) error {
	if b.vng == nil {
		return nil
	}
	return machine.VNGBoots(k.ConfigPath, k.Image, k.Release)
}
