// SPDX-License-Identifier: MIT

package kernel

import (
	"cmp"
	"os"
)

// Places are the locations of the sources, for users of a mirror. The zero value is the
// locations on the Internet.
type Places struct {
	// Root is where the files of the running system lie. Default: /
	Root string
	// Apt is the directory whose etc/apt names the mirrors of Debian or Ubuntu. Default:
	// Root.
	Apt string
	// Mainline is the address of Ubuntu's mainline builds.
	Mainline string
	// MainlineKey is the path of the key that signs them. Default: Ubuntu's,
	// which is fetched from KeyServer and must have the known fingerprint.
	MainlineKey string
	// KeyServer is an HKP server: draft-gallagher-openpgp-hkp, section 3.1.
	KeyServer string
	// Repository has images of kernels, whose tags are versions.
	Repository string
}

// PlacesFromEnvironment reads RINGTWIN_APT, RINGTWIN_MAINLINE, RINGTWIN_MAINLINE_KEY
// and RINGTWIN_OCI.
func PlacesFromEnvironment() Places {
	return Places{
		Apt:         os.Getenv("RINGTWIN_APT"),
		Mainline:    os.Getenv("RINGTWIN_MAINLINE"),
		MainlineKey: os.Getenv("RINGTWIN_MAINLINE_KEY"),
		Repository:  os.Getenv("RINGTWIN_OCI"),
	}
}

func (p Places) root() string      { return cmp.Or(p.Root, "/") }
func (p Places) apt() string       { return cmp.Or(p.Apt, p.root()) }
func (p Places) mainline() string  { return cmp.Or(p.Mainline, "https://kernel.ubuntu.com/mainline") }
func (p Places) keyServer() string { return cmp.Or(p.KeyServer, "https://keyserver.ubuntu.com") }

// repository is that of the images that the CI of cilium/ebpf uses:
// https://github.com/cilium/ci-kernels
func (p Places) repository() string { return cmp.Or(p.Repository, "ghcr.io/cilium/ci-kernels") }
