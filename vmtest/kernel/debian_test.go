// SPDX-License-Identifier: MIT

package kernel

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/internal/mirrors"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

// debian returns an archive of this many kernels, and a resolver for it, some hours after
// its lists were read. The other sources are empty.
func debian(t *testing.T) (*mirrors.Archive, Resolver) {
	t.Helper()
	testutils.Program(t, "apt-get")
	archive := mirrors.NewDebian(t, mirrors.NewKey(t))
	archive.Set(t, "bookworm", cloudKernel("6.1.0-56-cloud-amd64", "6.1.192-2")...)
	archive.Set(t, "bookworm-security", cloudKernel("6.12.57+deb12-cloud-amd64", "6.12.57-1~deb12u1")...)
	archive.Set(t, "bullseye-security", cloudKernel("5.10.0-46-cloud-amd64", "5.10.262-1")...)
	archive.Set(t, "trixie-backports", slices.Concat(
		cloudKernel("6.18.15+deb13-cloud-amd64", "6.18.15-1~bpo13+1"),
		cloudKernel("7.3.4+deb13-cloud-amd64", "7.3.4-1~bpo13+1"))...)
	mainline := mirrors.NewMainline(t, mirrors.NewKey(t))
	return archive, Resolver{Cache: Cache{Dir: t.TempDir()}, Places: Places{
		Apt: archive.Root(t, "bookworm"), Mainline: mainline.URL, Repository: mirrors.NewRegistry(t) + "/no/kernels",
	}}
}

func cloudKernel(release, version string) []mirrors.Package {
	return mirrors.DebianKernel(release, version, image(release), []byte("CONFIG_HZ=250\n"))
}

// TestDebianArchive: all suites are read, both package layouts are unpacked, and the
// error for a missing version names its neighbours.
func TestDebianArchive(t *testing.T) {
	t.Parallel() // apt waits a lot
	_, r := debian(t)
	for want, release := range map[string]string{
		"5.10": "5.10.0-46-cloud-amd64", "6.1.192": "6.1.0-56-cloud-amd64", "6.18": "6.18.15+deb13-cloud-amd64", "latest": "7.3.4+deb13-cloud-amd64",
	} {
		if b, err := r.Find(t.Context(), want); err != nil || b.Release != release || b.Config.HZ != 250 {
			t.Errorf("%s: %+v, %v", want, b, err)
		}
	}
	for want, parts := range map[string][]string{
		"6.5":    {"kernel 6.5: not found in apt (", "nearest: 6.1.192 below, 6.12.57 above\n", "available: 5.10 6.1 6.12 6.18 7.3\n", "KERNEL=./vmlinuz"},
		"9.9":    {"nearest: 7.3.4 below\n"},
		"4.*":    {"kernel 4.*: not found in apt ("},
		"6.1+rt": {"flavours: cloud\n"},
	} {
		_, err := r.Resolve(t.Context(), want)
		if !errors.As(err, new(*NotFoundError)) {
			t.Errorf("%s: %v", want, err)
			continue
		}
		for _, part := range parts {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q is not in:\n%s", want, part, err)
			}
		}
	}
}

// TestUnreadSource: a version that no source has is a mistake only if every source could be
// read: another may have it.
func TestUnreadSource(t *testing.T) {
	t.Parallel() // apt waits a lot
	_, r := debian(t)
	r.Places.Mainline = "http://127.0.0.1:1" // nobody listens there
	for want, test := range map[string]struct {
		sure bool
		text string
	}{
		"9.9":     {false, "kernel 9.9: not found in apt ("},
		"apt:9.9": {true, "kernel apt:9.9: not found in apt ("},
	} {
		_, err := r.Resolve(t.Context(), want)
		var missing *NotFoundError
		if !errors.As(err, &missing) || missing.IsSure() != test.sure || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v", want, err)
			continue
		}
		if first, _, _ := strings.Cut(err.Error(), "\n"); strings.HasSuffix(first, "; mainline and oci could not be read") == test.sure {
			t.Errorf("%s: %s", want, first)
		}
	}
}

// TestArchiveMovesOn: a version vanishes after the lists were read. A request for its
// line gets the current version, and a note; a request for exactly this one, or a locked
// one, gets an error that says so.
func TestArchiveMovesOn(t *testing.T) {
	t.Parallel() // apt waits a lot
	archive, r := debian(t)
	var phases []string
	r.Phase = func(text string) { phases = append(phases, text) }
	resolved := map[string]Ref{}
	for _, want := range []string{"7.3", "7.3.4", "latest", "6.18"} {
		refs, err := r.Resolve(t.Context(), want)
		check(t, err)
		resolved[want] = refs[0]
	}
	archive.Set(t, "trixie-backports", cloudKernel("7.3.6+deb13-cloud-amd64", "7.3.6-1~bpo13+1")...)
	for _, old := range slices.Concat(cloudKernel("7.3.4+deb13-cloud-amd64", "7.3.4-1~bpo13+1"), cloudKernel("6.18.15+deb13-cloud-amd64", "6.18.15-1~bpo13+1")) {
		archive.Remove(t, old)
	}

	b, err := r.Fetch(t.Context(), resolved["7.3"])
	check(t, err)
	if b.Release != "7.3.6+deb13-cloud-amd64" || b.Want != "7.3" || !strings.HasSuffix(b.Package, "=7.3.6-1~bpo13+1") {
		t.Errorf("bundle %+v", b)
	}
	if got := imageRelease(b.Image); got != b.Release {
		t.Errorf("image of %q", got)
	}
	if said := strings.Join(phases, "\n"); !strings.Contains(said, "7.3.4-1~bpo13+1 is gone from the archive: ") {
		t.Errorf("it is not said:\n%s", said)
	}
	// "latest" was 7.3.4 too, and is called 7.3 since it was resolved.
	if b, err := r.Fetch(t.Context(), resolved["latest"]); err != nil || b.Release != "7.3.6+deb13-cloud-amd64" {
		t.Errorf("latest: %+v, %v", b, err)
	}
	for name, test := range map[string]struct {
		ref  Ref
		want string
	}{
		"exactly this":      {resolved["7.3.4"], "nearest: 6.12.57 below"},
		"the line is gone":  {resolved["6.18"], "nearest: 6.12.57 below, 7.3.6 above"},
		"locked":            {withSum(resolved["7.3"]), "is gone from the archive"},
		"nobody can ask it": {Ref{Name: "7.3-2", Source: "apt", Arch: "amd64", Package: resolved["7.3"].Package}, "is gone from the archive"},
	} {
		if _, err := r.Fetch(t.Context(), test.ref); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

func withSum(ref Ref) Ref {
	ref.SHA256 = strings.Repeat("5", 64)
	return ref
}

// TestArchiveIsDown: with lists at hand their kernels are found, and an uncached kernel
// fails with apt's error.
func TestArchiveIsDown(t *testing.T) {
	t.Parallel() // apt waits a lot
	archive, r := debian(t)
	refs, err := r.Resolve(t.Context(), "all")
	check(t, err)
	if len(refs) != 5 {
		t.Fatalf("%d kernels", len(refs))
	}
	if _, err := r.Fetch(t.Context(), refs[0]); err != nil {
		t.Fatal(err)
	}
	archive.Close()
	if _, err := r.Fetch(t.Context(), refs[0]); err != nil {
		t.Errorf("cached: %v", err)
	}
	if _, err := r.Fetch(t.Context(), refs[1]); err == nil || !strings.Contains(err.Error(), "fetch kernel: apt-get download: ") {
		t.Errorf("not cached: %v", err)
	}
}
