// SPDX-License-Identifier: MIT

package mirrors

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Package is one package of an archive for apt.
type Package struct {
	Name, Version string
	Files         []File
}

func (p *Package) file() string {
	return p.Name + "_" + strings.ReplaceAll(p.Version, ":", "%3a") + "_amd64.deb"
}

// Archive is a signed archive for apt, in the layout of Debian's or Ubuntu's, that may
// change while it is used. Suites that were not set exist, and are empty.
type Archive struct {
	server *httptest.Server
	key    *Key
	origin string // as its Release has it
	dir    string // with the packages

	mu     sync.Mutex
	suites map[string][]Package
	asked  func(path string)
}

// NewDebian starts an archive that is signed with the key.
func NewDebian(t testing.TB, key *Key) *Archive { return newArchive(t, key, "Debian") }

// NewUbuntu likewise.
func NewUbuntu(t testing.TB, key *Key) *Archive { return newArchive(t, key, "Ubuntu") }

func newArchive(t testing.TB, key *Key, origin string) *Archive {
	t.Helper()
	a := &Archive{key: key, origin: origin, dir: t.TempDir(), suites: map[string][]Package{}}
	a.server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

// Close ends the server. It may be called twice.
func (a *Archive) Close() {
	a.server.CloseClientConnections()
	a.server.Close()
}

// Set makes these the packages of a suite.
func (a *Archive) Set(t testing.TB, suite string, packages ...Package) {
	t.Helper()
	for _, p := range packages {
		path := filepath.Join(a.dir, p.file())
		if _, err := os.Stat(path); err != nil {
			check(t, os.WriteFile(path, Deb(t, "zst", p.control(), p.Files...), 0o644))
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.suites[suite] = packages
}

// Remove removes the file of a package that the lists still have, as in a mirror that is
// being updated.
func (a *Archive) Remove(t testing.TB, p Package) {
	t.Helper()
	check(t, os.Remove(filepath.Join(a.dir, p.file())))
}

// Asked makes each request call f with its path, before it is answered.
func (a *Archive) Asked(f func(path string)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = f
}

// Root makes a directory whose etc/apt has the archive in it, as that of a machine
// which gets its packages from there.
func (a *Archive) Root(t testing.TB, suite string) string {
	t.Helper()
	root := t.TempDir()
	// The name of the keyring is what tells a distribution's own sources from others.
	keyring := filepath.Join(root, strings.ToLower(a.origin)+"-archive-keyring.asc")
	check(t, os.WriteFile(keyring, a.key.Armored(t), 0o644))
	sources := filepath.Join(root, "etc/apt/sources.list.d")
	check(t, os.MkdirAll(sources, 0o755))
	var text string
	for _, part := range []string{"", "-security"} {
		if part != "" && a.origin == "Ubuntu" {
			continue
		}
		text += fmt.Sprintf("Types: deb\nURIs: %s/%s%s\nSuites: %s%s\nComponents: main\nSigned-By: %s\n\n",
			a.server.URL, strings.ToLower(a.origin), part, suite, part, keyring)
	}
	check(t, os.WriteFile(filepath.Join(sources, "test.sources"), []byte(text), 0o644))
	return root
}

// ServeHTTP answers a client of apt.
func (a *Archive) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	asked := a.asked
	a.mu.Unlock()
	if asked != nil {
		asked(r.URL.Path)
	}
	if _, file, ok := strings.Cut(r.URL.Path, "/pool/"); ok {
		http.ServeFile(w, r, filepath.Join(a.dir, filepath.Base(file)))
		return
	}
	_, path, _ := strings.Cut(r.URL.Path, "/dists/")
	suite, file, _ := strings.Cut(path, "/")
	list := a.list(suite)
	switch file {
	case "InRelease":
		release := fmt.Sprintf("Origin: %s\nSuite: %s\nCodename: %s\nDate: %s\nArchitectures: amd64\nComponents: main\nSHA256:\n %x %d main/binary-amd64/Packages\n",
			a.origin, suite, suite, time.Now().UTC().Format(time.RFC1123), sha256.Sum256(list), len(list))
		signed, err := a.key.clearsigned([]byte(release))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(signed)
	case "main/binary-amd64/Packages":
		_, _ = w.Write(list)
	default:
		http.NotFound(w, r)
	}
}

// list is the package list of a suite.
func (a *Archive) list(suite string) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list bytes.Buffer
	for _, p := range a.suites[suite] {
		size, sum := int64(1), [sha256.Size]byte{}
		if data, err := os.ReadFile(filepath.Join(a.dir, p.file())); err == nil {
			size, sum = int64(len(data)), sha256.Sum256(data)
		}
		fmt.Fprintf(&list, "%sFilename: pool/%s\nSize: %d\nSHA256: %x\n\n", p.control(), p.file(), size, sum)
	}
	return list.Bytes()
}

func (p *Package) control() string {
	return fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: amd64\nMaintainer: a test <test@invalid.test>\nDescription: test\n", p.Name, p.Version)
}

// DebianKernel is a cloud kernel as Debian packages it: up to 6.18 in one package, from
// 6.19 on in two. version is that of the package, as 6.1.192-2.
func DebianKernel(release, version string, image, config []byte) []Package {
	var major, minor int
	_, _ = fmt.Sscanf(version, "%d.%d", &major, &minor)
	boot := File{Name: "boot/vmlinuz-" + release, Data: image}
	conf := File{Name: "boot/config-" + release, Data: config}
	if major < 6 || major == 6 && minor < 19 {
		return []Package{{Name: "linux-image-" + release, Version: version, Files: []File{boot, conf}}}
	}
	return []Package{
		{Name: "linux-image-" + release, Version: version}, // it only points to the other
		{Name: "linux-binary-" + release, Version: version, Files: []File{boot}},
		{Name: "linux-base-" + release, Version: version, Files: []File{conf}},
	}
}

// clearsigned is text with a signature around it, as the InRelease of an archive.
func (k *Key) clearsigned(text []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := clearsign.Encode(&b, k.entity.PrivateKey, &packet.Config{})
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
