// SPDX-License-Identifier: MIT

package kernel

import (
	"testing"

	"github.com/ringtwin/ringtwin/internal/mirrors"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

// TestUbuntuArchive: apt on a machine whose mirror is Ubuntu's, with real
// packages and signatures.
func TestUbuntuArchive(t *testing.T) {
	t.Parallel() // apt waits a lot
	testutils.Program(t, "apt-get")
	const release = "6.5.0-45-generic"
	archive := mirrors.NewUbuntu(t, mirrors.NewKey(t))
	archive.Set(t, "jammy-updates",
		mirrors.Package{Name: "linux-image-" + release, Version: "6.5.0-45.45", Files: []mirrors.File{{Name: "boot/vmlinuz-" + release, Data: image(release)}}},
		mirrors.Package{Name: "linux-modules-" + release, Version: "6.5.0-45.45", Files: []mirrors.File{{Name: "boot/config-" + release, Data: []byte("CONFIG_HZ=250\n")}}},
		mirrors.Package{Name: "linux-image-generic", Version: "6.5.0.45.45"})
	r := Resolver{Cache: Cache{Dir: t.TempDir()}, Places: Places{Apt: archive.Root(t, "jammy-updates")}}
	b, err := r.Find(t.Context(), "6.5")
	check(t, err)
	if b.Release != release || b.Config.HZ != 250 || b.Package != "linux-image-"+release+"=6.5.0-45.45" || b.Flavour != "generic" {
		t.Errorf("bundle %+v", b)
	}
}
