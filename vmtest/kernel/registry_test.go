// SPDX-License-Identifier: MIT

package kernel

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/internal/mirrors"
)

func registryAt(t *testing.T, host string) Resolver {
	t.Helper()
	return Resolver{
		Cache:  Cache{Dir: t.TempDir()},
		Places: Places{Root: t.TempDir(), Mainline: "http://127.0.0.1:1", Repository: host + "/cilium/ci-kernels"},
	}
}

// TestImages: both layouts, by tag, by digest, and as a bare version.
func TestImages(t *testing.T) {
	host := mirrors.NewRegistry(t)
	first := mirrors.Push(t, host+"/cilium/ci-kernels:6.6",
		mirrors.Tar(t, mirrors.File{Name: "boot/vmlinuz", Data: []byte("replaced")}, mirrors.File{Name: "boot/vmlinux", Data: []byte("not this")}),
		mirrors.Tar(t, mirrors.File{Name: "./boot/vmlinuz", Data: image("6.6.70")}, mirrors.File{Name: "boot/config", Data: []byte("CONFIG_HZ=100\n")}))
	mirrors.Push(t, host+"/cilium/ci-kernels:6.6-selftests", mirrors.Tar(t))
	mirrors.Push(t, host+"/lvh-images/kernel-images:6.6-20240101.000000", mirrors.Tar(t,
		mirrors.File{Name: "data/kernels/6.6/boot/vmlinuz-6.6.9", Data: image("6.6.9")},
		mirrors.File{Name: "data/kernels/6.6/boot/config-6.6.9", Data: []byte("CONFIG_HZ=250\n")},
		mirrors.File{Name: "data/kernels/6.6/boot/btf-6.6.9", Data: []byte("types")},
		mirrors.File{Name: "data/kernels/6.6/lib/modules/6.6.9/kernel/x.ko", Data: []byte("module")}))
	for want, release := range map[string]string{
		"oci:" + host + "/cilium/ci-kernels:6.6":      "6.6.70",
		"oci:" + host + "/cilium/ci-kernels@" + first: "6.6.70",
		"oci:6.6": "6.6.70",
		"6.6":     "6.6.70",
		"oci:" + host + "/lvh-images/kernel-images:6.6-20240101.000000": "6.6.9",
	} {
		r := registryAt(t, host)
		r.Modules = release == "6.6.9"
		refs, err := r.Resolve(t.Context(), want)
		check(t, err)
		if len(refs) != 1 || refs[0].Name != want || !strings.Contains(refs[0].Package, "@sha256:") {
			t.Errorf("%s is %+v", want, refs)
		}
		b, err := r.Fetch(t.Context(), refs[0])
		check(t, err)
		if b.Release != release || b.Config.HZ == 0 || b.Source != "oci" || b.Package != refs[0].Package {
			t.Errorf("%s: bundle %+v", want, b)
		}
		if r.Modules {
			types, err := os.ReadFile(b.BTF)
			_, modErr := os.Stat(filepath.Join(b.Modules, "kernel/x.ko"))
			if err != nil || modErr != nil || string(types) != "types" {
				t.Errorf("types %q, %v; modules: %v", types, err, modErr)
			}
		}
	}
}

func TestImagesRefuses(t *testing.T) {
	host := mirrors.NewRegistry(t)
	mirrors.Push(t, host+"/no/kernel:1", mirrors.Tar(t, mirrors.File{Name: "etc/passwd", Data: []byte("x")}))
	for want, says := range map[string]string{
		"oci:" + host + "/no/kernel:1":     "no image of a kernel",
		"oci:" + host + "/no/kernel:2":     "the registry has no such image",
		"oci:" + host + "/no/such/thing:1": "the registry has no such image",
		"oci:127.0.0.1:1/no/registry:1":    "127.0.0.1:1",
		"oci:Not An Image":                 ErrNotNamed.Error(),
	} {
		if b, err := registryAt(t, host).Find(t.Context(), want); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %+v, %v", want, b, err)
		}
	}
}

func FuzzImageLayer(f *testing.F) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	_ = w.WriteHeader(&tar.Header{Name: "boot/../../../vmlinuz", Size: 1, Typeflag: tar.TypeReg})
	_, _ = w.Write([]byte("x"))
	_ = w.Close()
	f.Add(b.Bytes())
	f.Add([]byte("no archive"))
	f.Fuzz(func(t *testing.T, data []byte) {
		outer := t.TempDir()
		u := &imageUnpacker{dir: filepath.Join(outer, "bundle"), modules: true}
		_ = u.walk(bytes.NewReader(data))
		entries, err := os.ReadDir(outer)
		check(t, err)
		for _, entry := range entries {
			if entry.Name() != "bundle" {
				t.Errorf("%s was written outside of the bundle", entry.Name())
			}
		}
	})
}

func FuzzImagePlace(f *testing.F) {
	f.Add("/boot/vmlinuz")
	f.Add("/data/kernels/6.6/boot/vmlinuz-6.6.9")
	f.Add("/usr/lib/modules/../../x")
	f.Fuzz(func(t *testing.T, name string) {
		u := &imageUnpacker{modules: true}
		if place := u.place(filepath.Clean("/" + name)); place != "" && !filepath.IsLocal(place) {
			t.Errorf("%q goes to %q", name, place)
		}
	})
}
