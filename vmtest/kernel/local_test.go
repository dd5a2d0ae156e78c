// SPDX-License-Identifier: MIT

package kernel

import (
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// image is enough of a kernel's image to know its release.
func image(release string) []byte {
	image := make([]byte, 0x600)
	copy(image[0x202:], "HdrS")
	image[0x20e], image[0x20f] = 0x00, 0x03 // the version string is at 0x500
	copy(image[0x500:], release+" (builder) #1 SMP\x00")
	return image
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Dir(path), 0o755))
	check(t, os.WriteFile(path, data, 0o644))
}

func TestFromFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "vmlinuz-6.5.13-test")
	write(t, path, image("6.5.13-test"))
	write(t, filepath.Join(dir, "config-6.5.13-test"), []byte("CONFIG_HZ=1000\n"))
	b, err := Resolver{}.Find(t.Context(), path)
	check(t, err)
	if b.Release != "6.5.13-test" || b.Config.HZ != 1000 || b.Source != "file" || len(b.SHA256) != 64 || b.Want != "vmlinuz-6.5.13-test" {
		t.Errorf("bundle %+v", b)
	}
	short := filepath.Join(dir, "short")
	write(t, short, []byte("x"))
	if b, err := (Resolver{}).Find(t.Context(), short); err != nil || b.Release != "" {
		t.Errorf("a file that is no kernel: %+v, %v", b, err)
	}
}

func TestFromTree(t *testing.T) {
	dir := t.TempDir()
	if _, err := (Resolver{}).Find(t.Context(), dir); !errors.Is(err, ErrNotNamed) {
		t.Errorf("a directory without a kernel: %v", err)
	}
	write(t, filepath.Join(dir, "arch/x86/boot/bzImage"), image("6.5.0"))
	write(t, filepath.Join(dir, "include/config/kernel.release"), []byte("6.5.0-dirty\n"))
	write(t, filepath.Join(dir, ".config"), []byte("CONFIG_PREEMPT=y\n"))
	b, err := Resolver{}.Find(t.Context(), dir)
	check(t, err)
	if b.Release != "6.5.0-dirty" || b.Config.Preempt != "full" || b.Source != "tree" {
		t.Errorf("bundle %+v", b)
	}
}

// TestFromHost: the image of the running kernel, which has its configuration in
// /proc, or beside it.
func TestFromHost(t *testing.T) {
	var uts unix.Utsname
	check(t, unix.Uname(&uts))
	release := unix.ByteSliceToString(uts.Release[:])
	r := Resolver{Places: Places{Root: t.TempDir()}}
	if _, err := r.Find(t.Context(), "host"); err == nil {
		t.Error("an image that is not there was found")
	}
	write(t, filepath.Join(r.Places.Root, "boot/vmlinuz-"+release), image(release))
	check(t, os.MkdirAll(filepath.Join(r.Places.Root, "proc"), 0o755))
	file, err := os.Create(filepath.Join(r.Places.Root, "proc/config.gz"))
	check(t, err)
	z := gzip.NewWriter(file)
	_, err = z.Write([]byte("CONFIG_HZ=300\n"))
	check(t, errors.Join(err, z.Close(), file.Close()))
	b, err := r.Find(t.Context(), "host")
	check(t, err)
	if b.Release != release || b.Config.HZ != 300 || b.Source != "host" || b.Want != "host" {
		t.Errorf("bundle %+v", b)
	}
	write(t, filepath.Join(r.Places.Root, "boot/config-"+release), []byte("CONFIG_HZ=100\n"))
	if b, err := r.Find(t.Context(), "host"); err != nil || b.Config.HZ != 100 {
		t.Errorf("with the configuration beside it: %+v, %v", b, err)
	}
}
