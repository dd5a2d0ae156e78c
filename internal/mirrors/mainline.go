// SPDX-License-Identifier: MIT

package mirrors

import (
	"bytes"
	"crypto"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Key is a key that can sign.
type Key struct{ entity *openpgp.Entity }

// NewKey makes a key of the kind of that of mainline builds.
func NewKey(t testing.TB) *Key {
	t.Helper()
	entity, err := openpgp.NewEntity("a test", "", "test@invalid.test", &packet.Config{Algorithm: packet.PubKeyAlgoRSA, RSABits: 2048, DefaultHash: crypto.SHA512})
	check(t, err)
	return &Key{entity}
}

// Public writes the public half, armored, to a file and returns its path.
func (k *Key) Public(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key.asc")
	check(t, os.WriteFile(path, k.Armored(t), 0o644))
	return path
}

// Armored is the public half.
func (k *Key) Armored(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.PublicKeyType, nil)
	check(t, err)
	check(t, k.entity.Serialize(w))
	check(t, w.Close())
	return b.Bytes()
}

// Sign returns the armored detached signature of a text.
func (k *Key) Sign(t testing.TB, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	check(t, openpgp.ArmoredDetachSign(&b, k.entity, bytes.NewReader(text), &packet.Config{DefaultHash: crypto.SHA512}))
	return b.Bytes()
}

// Mainline is a server laid out as Ubuntu's mainline builds.
type Mainline struct {
	URL string
	Dir string // what is served

	server *httptest.Server
	key    *Key
}

// NewMainline starts a server whose checksums are signed with the key.
func NewMainline(t testing.TB, key *Key) *Mainline {
	t.Helper()
	m := &Mainline{Dir: t.TempDir(), key: key}
	m.server = httptest.NewServer(http.FileServer(http.Dir(m.Dir)))
	t.Cleanup(m.Close)
	m.URL = m.server.URL
	return m
}

// Close ends the server. It may be called twice.
func (m *Mainline) Close() { m.server.Close() }

// Directory is where the packages of a version are.
func (m *Mainline) VersionDir(version string) string {
	return filepath.Join(m.Dir, "v"+version, "amd64")
}

// Names are those of the packages of a version: image, modules, headers.
func Names(version string) (release string, image, modules, headers string) {
	var major, minor, patch int
	_, _ = fmt.Sscanf(version, "%d.%d.%d", &major, &minor, &patch)
	abi := fmt.Sprintf("%02d%02d%02d", major, minor, patch)
	release = fmt.Sprintf("%d.%d.%d-%s-generic", major, minor, patch, abi)
	tail := fmt.Sprintf("_%d.%d.%d-%s.202311281736_amd64.deb", major, minor, patch, abi)
	return release, "linux-image-unsigned-" + release + tail, "linux-modules-" + release + tail, "linux-headers-" + release + tail
}

// Add adds a version with this image and configuration.
func (m *Mainline) Add(t testing.TB, version string, image, config []byte) {
	t.Helper()
	release, imageDeb, modulesDeb, headersDeb := Names(version)
	m.write(t, version, map[string][]byte{
		imageDeb: Deb(t, "zst", "", File{"boot/vmlinuz-" + release, image}),
		modulesDeb: Deb(t, "xz", "", File{"boot/System.map-" + release, []byte("map")}, File{"boot/config-" + release, config},
			File{"lib/modules/" + release + "/kernel/net/9p/9pnet.ko", []byte("module")}),
		headersDeb: Deb(t, "zst", "", File{"usr/src/linux-headers-" + release + "/.config", config}),
		strings.Replace(imageDeb, "-generic_", "-lowlatency_", 1): Deb(t, "zst", ""),
	})
}

// AddIncomplete adds a version whose image was not built.
func (m *Mainline) AddIncomplete(t testing.TB, version string) {
	t.Helper()
	_, _, modules, _ := Names(version)
	m.write(t, version, map[string][]byte{modules: []byte("x")})
}

// AddEmpty adds a version that has a directory and nothing in it.
func (m *Mainline) AddEmpty(t testing.TB, version string) {
	t.Helper()
	check(t, os.MkdirAll(m.VersionDir(version), 0o755))
}

func (m *Mainline) write(t testing.TB, version string, packages map[string][]byte) {
	t.Helper()
	check(t, os.MkdirAll(m.VersionDir(version), 0o755))
	var one, two strings.Builder
	for name, data := range packages {
		check(t, os.WriteFile(filepath.Join(m.VersionDir(version), name), data, 0o644))
		fmt.Fprintf(&one, "%x  %s\n", sha1.Sum(data), name)
		fmt.Fprintf(&two, "%x  %s\n", sha256.Sum256(data), name)
	}
	m.Sums(t, version, []byte("# Checksums-Sha1:\n"+one.String()+"# Checksums-Sha256:\n"+two.String()))
}

// Sums writes and signs the checksums of a version.
func (m *Mainline) Sums(t testing.TB, version string, text []byte) {
	t.Helper()
	check(t, os.WriteFile(filepath.Join(m.VersionDir(version), "CHECKSUMS"), text, 0o644))
	check(t, os.WriteFile(filepath.Join(m.VersionDir(version), "CHECKSUMS.gpg"), m.key.Sign(t, text), 0o644))
}
