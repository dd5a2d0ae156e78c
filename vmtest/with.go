// SPDX-License-Identifier: MIT

package vmtest

import (
	"os"
	"slices"

	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/wire"
)

// with adds what belongs to the kernel: its configuration where programs look for it, and
// modules.
func (p *Packed) with(bundle *kernel.Bundle, session *wire.Session) (bundleOfFiles, error) {
	files := bundleOfFiles{all: slices.Clone(p.files.all), bytes: p.files.bytes}
	if bundle.ConfigPath != "" && bundle.Release != "" {
		info, err := os.Stat(bundle.ConfigPath)
		if err != nil {
			return files, err
		}
		files.all = append(files.all, bundled{path: "/boot/config-" + bundle.Release, source: bundle.ConfigPath, info: info})
	}
	modules, err := modulesOf(bundle, p.program.Modules)
	if err != nil {
		return files, err
	}
	files.all = append(files.all, modules...)
	for _, module := range modules {
		session.Modules = append(session.Modules, module.path)
	}
	return files, nil
}
