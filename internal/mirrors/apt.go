package mirrors

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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

// NewUbuntu starts an archive with one suite, signed with the key, and returns
// its address, which ends as that of every mirror of Ubuntu.
func NewUbuntu(t testing.TB, key *Key, suite string, packages ...Package) string {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "ubuntu/dists", suite, "main/binary-amd64")
	pool := filepath.Join(dir, "ubuntu/pool")
	check(t, os.MkdirAll(binary, 0o755))
	check(t, os.MkdirAll(pool, 0o755))
	var list bytes.Buffer
	for _, p := range packages {
		control := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: amd64\nMaintainer: a test <test@invalid.test>\nDescription: test\n", p.Name, p.Version)
		data := Deb(t, "zst", control, p.Files...)
		file := p.Name + "_" + p.Version + "_amd64.deb"
		check(t, os.WriteFile(filepath.Join(pool, file), data, 0o644))
		fmt.Fprintf(&list, "%sFilename: pool/%s\nSize: %d\nSHA256: %x\n\n", control, file, len(data), sha256.Sum256(data))
	}
	check(t, os.WriteFile(filepath.Join(binary, "Packages"), list.Bytes(), 0o644))
	release := fmt.Sprintf("Origin: Ubuntu\nSuite: %s\nCodename: %s\nDate: %s\nArchitectures: amd64\nComponents: main\nSHA256:\n %x %d main/binary-amd64/Packages\n",
		suite, suite, time.Now().UTC().Format(time.RFC1123), sha256.Sum256(list.Bytes()), list.Len())
	check(t, os.WriteFile(filepath.Join(dir, "ubuntu/dists", suite, "InRelease"), key.Clearsigned(t, []byte(release)), 0o644))
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	return server.URL + "/ubuntu"
}

// Clearsigned is text with a signature around it, as the InRelease of an archive.
func (k *Key) Clearsigned(t testing.TB, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := clearsign.Encode(&b, k.entity.PrivateKey, &packet.Config{})
	check(t, err)
	_, err = w.Write(text)
	check(t, err)
	check(t, w.Close())
	return b.Bytes()
}
