package kernel

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/ringtwin/ringtwin/internal/mirrors"
	"github.com/ringtwin/ringtwin/internal/need"
)

// TestUbuntuArchive: apt on a machine whose mirror is Ubuntu's, with real
// packages and signatures.
func TestUbuntuArchive(t *testing.T) {
	need.Program(t, "apt-get")
	key := mirrors.NewKey(t)
	const release = "6.5.0-45-generic"
	url := mirrors.NewUbuntu(t, key, "jammy-updates",
		mirrors.Package{Name: "linux-image-" + release, Version: "6.5.0-45.45", Files: []mirrors.File{{Name: "boot/vmlinuz-" + release, Data: image(release)}}},
		mirrors.Package{Name: "linux-modules-" + release, Version: "6.5.0-45.45", Files: []mirrors.File{{Name: "boot/config-" + release, Data: []byte("CONFIG_HZ=250\n")}}},
		mirrors.Package{Name: "linux-image-generic", Version: "6.5.0.45.45"})
	root := t.TempDir()
	// One-line sources of Ubuntu name no key, and then the archive's own is used,
	// which is not this one's.
	write(t, filepath.Join(root, "etc/apt/sources.list.d/ubuntu.sources"), fmt.Appendf(nil,
		"Types: deb\nURIs: %s\nSuites: jammy-updates\nComponents: main\nSigned-By: %s\n", url, ubuntuKey(t, key)))
	r := Resolver{Cache: Cache{Dir: t.TempDir()}, Places: Places{Root: root}}
	b, err := r.Find(t.Context(), "6.5")
	check(t, err)
	if b.Release != release || b.Config.HZ != 250 || b.Package != "linux-image-"+release+"=6.5.0-45.45" || b.Flavour != "generic" {
		t.Errorf("bundle %+v", b)
	}
}

// ubuntuKey is the public key under the name that Ubuntu's has.
func ubuntuKey(t *testing.T, key *mirrors.Key) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ubuntu-archive-keyring.asc")
	write(t, path, key.Armored(t))
	return path
}
