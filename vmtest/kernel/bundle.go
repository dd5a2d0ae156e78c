// SPDX-License-Identifier: MIT

package kernel

import (
	"fmt"
	"os"
	"path/filepath"
)

// Bundle is a kernel ready to boot.
type Bundle struct {
	Want       string `json:"-"`                 // as the user named it
	Release    string `json:"release"`           // as uname(2) will report it, as far as known
	Source     string `json:"source"`            // apt, mainline, oci, file, tree, host
	Package    string `json:"package,omitempty"` // its name in the source
	Flavour    string `json:"flavour,omitempty"` // cloud, rt, generic, or "" where there are none
	SHA256     string `json:"sha256"`            // of the image, hex
	Config     Config `json:"config"`
	Image      string `json:"-"` // path
	ConfigPath string `json:"-"` // path of the whole configuration, or ""
	Modules    string `json:"-"` // path of what belongs to /lib/modules/RELEASE, or ""
	BTF        string `json:"-"` // path of the kernel's types outside of the image, or ""
}

// Names of the files of a bundle in the cache.
const (
	imageFile  = "vmlinuz"
	configFile = "config"
	btfFile    = "btf"
	modulesDir = "lib/modules" // lib/modules/RELEASE; virtme-ng looks there, beside the image
	bundleFile = "bundle.json"
)

// readConfig reads the part of the configuration that is stored with every figure.
func (b *Bundle) readConfig() error {
	if b.ConfigPath == "" {
		return nil
	}
	text, err := os.ReadFile(b.ConfigPath)
	if err != nil {
		return fmt.Errorf("read kernel configuration: %w", err)
	}
	b.Config = parseConfig(text)
	return nil
}

// in fills in the paths of the bundle's files.
func (b *Bundle) in(dir string) {
	there := func(name string) string {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err != nil {
			return ""
		}
		return path
	}
	b.Image = filepath.Join(dir, imageFile)
	b.ConfigPath = there(configFile)
	b.BTF = there(btfFile)
	if b.Release != "" {
		b.Modules = there(filepath.Join(modulesDir, b.Release))
	}
}
