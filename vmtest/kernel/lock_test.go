// SPDX-License-Identifier: MIT

package kernel

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/ringtwin/ringtwin/internal/mirrors"
)

var someSum = strings.Repeat("ab", 32)

// TestLockText: what is written is read again as it was.
func TestLockText(t *testing.T) {
	text := "6.12 6.12.117 apt linux-image-6.12=1-1 " + someSum + "\n" +
		"mainline:6.5+arm64 6.5.13 mainline v6.5.13/arm64/x.deb " + someSum + "\n" +
		"# a comment\n\noci:host/name:tag - oci host/name@sha256:" + someSum + " " + someSum + " # why\n"
	lock, err := ReadLock("kernels.lock", strings.NewReader(text))
	check(t, err)
	again, err := ReadLock("again", strings.NewReader(lock.Text()))
	check(t, err)
	sorted := cmpopts.SortSlices(func(a, b Ref) bool { return a.Name < b.Name })
	if diff := cmp.Diff(lock.refs, again.refs, sorted, cmpopts.IgnoreUnexported(Ref{})); diff != "" || len(lock.refs) != 3 {
		t.Errorf("%d kernels (-first +second):\n%s", len(lock.refs), diff)
	}
}

func TestLockRefuses(t *testing.T) {
	for name, line := range map[string]string{
		"fields":    "6.1 6.1.1 apt x=1",
		"no kernel": "six 6.1.1 apt x=1 " + someSum,
		"pattern":   "6.* 6.1.1 apt x=1 " + someSum,
		"version":   "6.1 one apt x=1 " + someSum,
		"source":    "6.1 6.1.1 floppy x=1 " + someSum,
		"local":     "host 6.1.1 host x=1 " + someSum,
		"checksum":  "6.1 6.1.1 apt x=1 abc",
		"twice":     "6.1 6.1.1 apt x=1 " + someSum + "\n6.1 6.1.2 apt y=1 " + someSum,
		"endless":   strings.Repeat("x", maxLockLine+1),
	} {
		if _, err := ReadLock("kernels.lock", strings.NewReader("\n"+line)); err == nil || !strings.Contains(err.Error(), "kernels.lock, line") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLocked: only locked kernels are used, and exactly those.
func TestLocked(t *testing.T) {
	key := mirrors.NewKey(t)
	m := mirrors.NewMainline(t, key)
	m.Add(t, "6.5.13", image("6.5.13-060513-generic"), nil)
	r := mainlineAt(t, m, key)
	refs, err := r.Resolve(t.Context(), "mainline:6.5")
	check(t, err)
	b, err := r.Fetch(t.Context(), refs[0])
	check(t, err)
	lock := &Lock{Name: "kernels.lock"}
	check(t, lock.Add(refs[0], b))
	if lock.Add(Ref{Name: "x", Source: sourceFile}, b) == nil {
		t.Error("a file was locked")
	}
	lock, err = ReadLock("kernels.lock", strings.NewReader(lock.Text()))
	check(t, err)

	// A newer one appears, and the cache is empty: the locked one is used.
	m.Add(t, "6.5.14", image("6.5.14-060514-generic"), nil)
	r = mainlineAt(t, m, key)
	r.Lock = lock
	for _, want := range []string{"mainline:6.5", "mainline:6.*"} {
		if b, err := r.Find(t.Context(), want); err != nil || b.Release != "6.5.13-060513-generic" || b.Want != "mainline:6.5" {
			t.Errorf("%s is %+v, %v", want, b, err)
		}
	}
	for _, want := range []string{"6.1", "mainline:6.5.14", "latest:6.1", t.TempDir(), "6.2*"} {
		if b, err := r.Find(t.Context(), want); !errors.Is(err, ErrNotNamed) {
			t.Errorf("%s: %+v, %v", want, b, err)
		}
	}

	// The same package with another image is rejected.
	m.Add(t, "6.5.13", image("6.5.13-changed"), nil)
	r.Cache = Cache{Dir: t.TempDir()}
	if b, err := r.Find(t.Context(), "mainline:6.5"); err == nil || !strings.Contains(err.Error(), "not what was locked") {
		t.Errorf("changed: %+v, %v", b, err)
	}
}

func FuzzReadLock(f *testing.F) {
	f.Add("6.1 6.1.1 apt x=1 " + someSum + "\n")
	f.Add("# nothing\n6.1+rt - oci a@b " + someSum)
	f.Fuzz(func(t *testing.T, text string) {
		lock, err := ReadLock("lock", strings.NewReader(text))
		if err != nil {
			return
		}
		again, err := ReadLock("again", strings.NewReader(lock.Text()))
		if err != nil || len(again.refs) != len(lock.refs) {
			t.Errorf("%q was written as %q: %v", text, lock.Text(), err)
		}
	})
}
