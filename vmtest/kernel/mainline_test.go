// SPDX-License-Identifier: MIT

package kernel

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/internal/mirrors"
	"github.com/ringtwin/ringtwin/vmtest/openpgp"
)

// mainlineAt is a resolver whose mainline builds come from the mirror.
func mainlineAt(t *testing.T, m *mirrors.Mainline, key *mirrors.Key) Resolver {
	t.Helper()
	return Resolver{
		Cache:  Cache{Dir: t.TempDir()},
		Places: Places{Root: t.TempDir(), Mainline: m.URL, MainlineKey: key.Public(t), Repository: "127.0.0.1:1/nobody/here"},
	}
}

// TestMainline: the newest complete patch level, with a verified signature, is found,
// fetched and unpacked.
func TestMainline(t *testing.T) {
	key := mirrors.NewKey(t)
	m := mirrors.NewMainline(t, key)
	m.Add(t, "6.5.9", image("6.5.9-060509-generic"), []byte("CONFIG_HZ=250\n"))
	m.Add(t, "6.5.13", image("6.5.13-060513-generic"), []byte("CONFIG_HZ=1000\n"))
	m.AddIncomplete(t, "6.5.14")
	m.AddEmpty(t, "6.5.15")
	m.Add(t, "6.6.1", image("6.6.1-060601-generic"), nil)
	r := mainlineAt(t, m, key)
	refs, err := r.Resolve(t.Context(), "mainline:6.5")
	check(t, err)
	_, want, _, _ := mirrors.Names("6.5.13")
	if len(refs) != 1 || refs[0].Package != "v6.5.13/amd64/"+want || refs[0].Name != "mainline:6.5" {
		t.Fatalf("resolved %+v", refs)
	}
	for range 2 { // fetched, and then from the cache
		b, err := r.Fetch(t.Context(), refs[0])
		check(t, err)
		if b.Release != "6.5.13-060513-generic" || b.Config.HZ != 1000 || b.Source != "mainline" || b.Modules != "" {
			t.Errorf("bundle %+v", b)
		}
		check(t, os.RemoveAll(m.VersionDir("6.5.13")))
	}
	if left, _ := filepath.Glob(filepath.Join(r.Cache.Dir, "downloads", "*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	// A bare version tries apt first, which is missing, and then mainline.
	if refs, err := r.Resolve(t.Context(), "6.6"); err != nil || len(refs) != 1 || refs[0].Source != "mainline" || refs[0].Name != "6.6" {
		t.Errorf("6.6 is %+v, %v", refs, err)
	}
	if refs, err := r.Resolve(t.Context(), "mainline:6.*"); err != nil || len(refs) != 2 {
		t.Errorf("6.* is %+v, %v", refs, err)
	}
	r.Offline = true
	if b, err := r.Find(t.Context(), "mainline:6.5"); err != nil || b.Release != "6.5.13-060513-generic" {
		t.Errorf("offline: %+v, %v", b, err)
	}
	if _, err := r.Find(t.Context(), "mainline:6.6"); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("offline, not cached: %v", err)
	}
}

func TestMainlineModules(t *testing.T) {
	key := mirrors.NewKey(t)
	m := mirrors.NewMainline(t, key)
	m.Add(t, "6.5.13", image("6.5.13-060513-generic"), []byte("CONFIG_HZ=1000\n"))
	r := mainlineAt(t, m, key)
	b, err := r.Find(t.Context(), "mainline:6.5.13")
	check(t, err)
	if b.Modules != "" {
		t.Error("modules that nobody wanted")
	}
	r.Modules = true
	b, err = r.Find(t.Context(), "mainline:6.5.13")
	check(t, err)
	if _, err := os.Stat(filepath.Join(b.Modules, "kernel/net/9p/9pnet.ko")); err != nil {
		t.Error(err)
	}
}

// TestMainlineElevenBack: a line whose last ten patch levels and more are
// incomplete is missing.
func TestMainlineElevenBack(t *testing.T) {
	key := mirrors.NewKey(t)
	m := mirrors.NewMainline(t, key)
	m.Add(t, "6.5.1", image("6.5.1-060501-generic"), nil)
	for _, v := range []string{"2", "3", "4", "5", "6", "7", "8", "9", "10", "11"} {
		m.AddEmpty(t, "6.5."+v)
	}
	r := mainlineAt(t, m, key)
	if refs, err := r.Resolve(t.Context(), "mainline:6.5"); err != nil || refs[0].Kernel.Patch != 1 {
		t.Errorf("ten back: %+v, %v", refs, err)
	}
	m.AddEmpty(t, "6.5.12")
	var missing *NotFoundError
	if refs, err := r.Resolve(t.Context(), "mainline:6.5"); !errors.As(err, &missing) || !strings.Contains(err.Error(), "not complete") {
		t.Errorf("eleven back: %+v, %v", refs, err)
	}
}

// TestMainlineRefuses unsigned files, and files that differ from the signed ones.
func TestMainlineRefuses(t *testing.T) {
	for name, damage := range map[string]struct {
		do   func(t *testing.T, m *mirrors.Mainline, image string)
		want error
	}{
		"checksums changed": {func(t *testing.T, m *mirrors.Mainline, _ string) {
			write(t, filepath.Join(m.VersionDir("6.5.13"), "CHECKSUMS"), []byte("changed"))
		}, openpgp.ErrSignature},
		"signature of another key": {func(t *testing.T, m *mirrors.Mainline, _ string) {
			text, err := os.ReadFile(filepath.Join(m.VersionDir("6.5.13"), "CHECKSUMS"))
			check(t, err)
			write(t, filepath.Join(m.VersionDir("6.5.13"), "CHECKSUMS.gpg"), mirrors.NewKey(t).Sign(t, text))
		}, openpgp.ErrSignature},
		"signature is garbage": {func(t *testing.T, m *mirrors.Mainline, _ string) {
			write(t, filepath.Join(m.VersionDir("6.5.13"), "CHECKSUMS.gpg"), []byte("garbage"))
		}, openpgp.ErrSignature},
		"no signature": {func(t *testing.T, m *mirrors.Mainline, _ string) {
			check(t, os.Remove(filepath.Join(m.VersionDir("6.5.13"), "CHECKSUMS.gpg")))
		}, errIncomplete},
		"package changed": {func(t *testing.T, m *mirrors.Mainline, image string) {
			write(t, filepath.Join(m.VersionDir("6.5.13"), image), []byte("changed"))
		}, errChanged},
		"package gone": {func(t *testing.T, m *mirrors.Mainline, image string) {
			check(t, os.Remove(filepath.Join(m.VersionDir("6.5.13"), image)))
		}, errGone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := mirrors.NewKey(t)
			m := mirrors.NewMainline(t, key)
			m.Add(t, "6.5.13", image("6.5.13-060513-generic"), nil)
			_, image, _, _ := mirrors.Names("6.5.13")
			damage.do(t, m, image)
			r := mainlineAt(t, m, key)
			b, err := r.Find(t.Context(), "mainline:6.5.13")
			if err == nil {
				t.Fatalf("accepted: %+v", b)
			}
			if !strings.Contains(err.Error(), damage.want.Error()) {
				t.Errorf("%v, want %v", err, damage.want)
			}
		})
	}
}

// TestKnownKey: another key from a key server is rejected.
func TestKnownKey(t *testing.T) {
	key := mirrors.NewKey(t)
	m := mirrors.NewMainline(t, key)
	m.Add(t, "6.5.13", image("6.5.13-060513-generic"), nil)
	r := mainlineAt(t, m, key)
	answer, err := os.ReadFile(r.Places.MainlineKey)
	check(t, err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(answer) }))
	t.Cleanup(server.Close)
	r.Places.MainlineKey, r.Places.KeyServer = "", server.URL
	if _, err := r.Find(t.Context(), "mainline:6.5.13"); err == nil || !strings.Contains(err.Error(), mainlineFingerprint) {
		t.Errorf("got %v", err)
	}
}

func FuzzChecksums(f *testing.F) {
	f.Add([]byte("# Checksums-Sha256:\n" + strings.Repeat("a", 64) + "  linux-image-unsigned-6.5.13-060513-generic_6.5.13_amd64.deb\n"))
	f.Add([]byte(strings.Repeat("0", 64) + " *../x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for name, sum := range readChecksums(text) {
			if strings.ContainsAny(name, "/\\\n") || strings.HasPrefix(name, ".") || len(sum) != 64 {
				t.Errorf("%q has %q", name, sum)
			}
		}
		readChecksums(text).find("linux-image-unsigned-")
	})
}

func FuzzMainlineIndex(f *testing.F) {
	f.Add([]byte(`<a href="v6.5.13/">v6.5.13/</a> <a href="v6.6-rc1/">`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, ref := range mainlineVersions(text, "amd64") {
			if strings.Contains(ref.Package, "..") || ref.Kernel == (Version{}) && !strings.HasPrefix(ref.Package, "v0") {
				t.Errorf("%+v", ref)
			}
		}
	})
}

// TestUnknownSource: an unknown source is an error, and not an image.
func TestUnknownSource(t *testing.T) {
	r := Resolver{Cache: Cache{Dir: t.TempDir()}}
	for _, err := range []error{
		func() error { _, err := r.Resolve(t.Context(), "snap:6.1"); return err }(),
		func() error {
			_, err := r.Fetch(t.Context(), Ref{Name: "6.1", Source: "snap", Package: "x"})
			return err
		}(),
		func() error { _, problems := r.List(t.Context(), "amd64", "snap"); return errors.Join(problems...) }(),
	} {
		if err == nil || !strings.Contains(err.Error(), "snap") {
			t.Errorf("an unknown source: %v", err)
		}
	}
}
