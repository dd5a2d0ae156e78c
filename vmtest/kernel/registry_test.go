// SPDX-License-Identifier: MIT

package kernel

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
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

// TestImageArchitectures: of several architectures, the machine's is used.
func TestImageArchitectures(t *testing.T) {
	host := mirrors.NewRegistry(t)
	layer := func(release string) []byte {
		return mirrors.Tar(t, mirrors.File{Name: "boot/vmlinuz", Data: image(release)})
	}
	digest := mirrors.PushIndex(t, host+"/two/of:6.6", map[string][]byte{"arm64": layer("6.6.1"), "amd64": layer("6.6.2")})
	mirrors.PushIndex(t, host+"/one/only:6.6", map[string][]byte{"s390x": layer("6.6.3")})
	refs, err := registryAt(t, host).Resolve(t.Context(), "oci:"+host+"/two/of:6.6")
	check(t, err)
	if refs[0].Package != host+"/two/of@"+digest {
		t.Errorf("pinned to %s, want the index %s", refs[0].Package, digest)
	}
	b, err := registryAt(t, host).Fetch(t.Context(), refs[0])
	check(t, err)
	if b.Release != "6.6.2" {
		t.Errorf("took %s", b.Release)
	}
	if b, err := registryAt(t, host).Find(t.Context(), "oci:"+host+"/one/only:6.6"); err == nil || !strings.Contains(err.Error(), "not there for linux/amd64") {
		t.Errorf("%+v, %v", b, err)
	}
}

// TestImageCompression: compression is detected, whatever the layer's type is.
func TestImageCompression(t *testing.T) {
	layer := mirrors.Tar(t, mirrors.File{Name: "boot/vmlinuz", Data: image("6.6.2")})
	var zipped, standard bytes.Buffer
	z := gzip.NewWriter(&zipped)
	s, err := zstd.NewWriter(&standard)
	check(t, err)
	for _, w := range []io.WriteCloser{z, s} {
		_, err := w.Write(layer)
		check(t, errors.Join(err, w.Close()))
	}
	host := mirrors.NewRegistry(t)
	for name, data := range map[string][]byte{"plain": layer, "gzip": zipped.Bytes(), "zstd": standard.Bytes()} {
		mirrors.Push(t, host+"/a/"+name+":6.6", data)
		if b, err := registryAt(t, host).Find(t.Context(), "oci:"+host+"/a/"+name+":6.6"); err != nil || b.Release != "6.6.2" {
			t.Errorf("%s: %+v, %v", name, b, err)
		}
	}
}

// TestImageChanged: bytes that do not match the digest are rejected, in a layer or in a
// manifest.
func TestImageChanged(t *testing.T) {
	for _, what := range []string{"/blobs/", "/manifests/sha256:"} {
		t.Run(what, func(t *testing.T) {
			changes := false
			host := mirrors.NewRegistry(t, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if !changes || r.Method != http.MethodGet || !strings.Contains(r.URL.Path, what) {
						next.ServeHTTP(w, r)
						return
					}
					answer := httptest.NewRecorder()
					next.ServeHTTP(answer, r)
					for name, values := range answer.Header() {
						w.Header()[name] = values
					}
					body := answer.Body.Bytes()
					body[len(body)-2]++ // behind the files of a layer
					_, _ = w.Write(body)
				})
			})
			layer := mirrors.Tar(t, mirrors.File{Name: "boot/vmlinuz", Data: image("6.6.2")})
			mirrors.Push(t, host+"/a/b:6.6", append(layer, make([]byte, 512)...))
			changes = true
			if b, err := registryAt(t, host).Find(t.Context(), "oci:"+host+"/a/b:6.6"); err == nil || !strings.Contains(err.Error(), "mismatch") {
				t.Errorf("%+v, %v", b, err)
			}
		})
	}
}

// TestImageLogin: logins of docker and podman are used.
func TestImageLogin(t *testing.T) {
	open := true
	host := mirrors.NewRegistry(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if user, password, _ := r.BasicAuth(); !open && (user != "u" || password != "p") {
				w.Header().Set("WWW-Authenticate", "Basic realm=x")
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	mirrors.Push(t, host+"/a/b:6.6", mirrors.Tar(t, mirrors.File{Name: "boot/vmlinuz", Data: image("6.6.2")}))
	open = false
	want, nobody := "oci:"+host+"/a/b:6.6", t.TempDir()
	for _, name := range []string{"DOCKER_CONFIG", "XDG_RUNTIME_DIR"} {
		t.Setenv(name, nobody)
	}
	t.Setenv("REGISTRY_AUTH_FILE", "")
	if b, err := registryAt(t, host).Find(t.Context(), want); err == nil || !strings.Contains(err.Error(), "credential not found") {
		t.Errorf("nobody: %+v, %v", b, err)
	}
	login := []byte(`{"auths":{"` + host + `":{"auth":"dTpw"}}}`)
	docker, podman := t.TempDir(), t.TempDir()
	write(t, filepath.Join(docker, "config.json"), login)
	check(t, os.Mkdir(filepath.Join(podman, "containers"), 0o755))
	write(t, filepath.Join(podman, "containers", "auth.json"), login)
	for name, dir := range map[string]string{"DOCKER_CONFIG": docker, "XDG_RUNTIME_DIR": podman} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, dir)
			if b, err := registryAt(t, host).Find(t.Context(), want); err != nil || b.Release != "6.6.2" {
				t.Errorf("%+v, %v", b, err)
			}
		})
	}
}

func TestParseImage(t *testing.T) {
	for text, want := range map[string]string{
		"kernel":                    "docker.io/library/kernel:latest",
		"cilium/kernel:6.1":         "docker.io/cilium/kernel:6.1",
		"ghcr.io/cilium/ci-kernels": "ghcr.io/cilium/ci-kernels:latest",
		"localhost/a:1":             "localhost/a:1",
		"[::1]:5000/a:1":            "[::1]:5000/a:1",
		"a.b:5000/c/d/e:1":          "a.b:5000/c/d/e:1",
		"a.b/c:1@sha256:" + strings.Repeat("0", 64): "a.b/c@sha256:" + strings.Repeat("0", 64),
		"Not An Image":   "",
		"a.b/c@sha256:0": "",
		"":               "",
		"a.b/../c":       "",
	} {
		got, err := parseImage(text)
		if (err == nil) != (want != "") || err == nil && got.String() != want || err != nil && !errors.Is(err, ErrNotNamed) {
			t.Errorf("%q is %q, %v, want %q", text, got, err, want)
		}
	}
	for host, want := range map[string]bool{"127.0.0.1:5000": true, "localhost": true, "[::1]:1": true, "[::1]": true, "10.0.0.1:5000": false, "localhost.evil.test": false, "ghcr.io": false} {
		if isLoopback(host) != want {
			t.Errorf("loopback %s is %t", host, !want)
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
