// SPDX-License-Identifier: MIT

package kernel

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/internal/mirrors"
)

// tarball packs files in order, each with its name in it.
func tarball(t testing.TB, names ...string) []byte {
	t.Helper()
	var files []mirrors.File
	for _, name := range names {
		files = append(files, mirrors.File{Name: "./" + name, Data: []byte("content of " + name)})
	}
	return mirrors.Tar(t, files...)
}

// deb makes a package of members; odd ones are padded.
func deb(members ...[2]string) []byte {
	b := []byte("!<arch>\n")
	for _, m := range members {
		b = fmt.Appendf(b, "%-16s%-12d%-6d%-6d%-8o%-10d`\n%s", m[0], 0, 0, 0, 0o100644, len(m[1]), m[1])
		if len(m[1])%2 == 1 {
			b = append(b, '\n')
		}
	}
	return b
}

func writeDeb(t testing.TB, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestUnpackDebs finds image and configuration wherever Debian has put them.
func TestUnpackDebs(t *testing.T) {
	for name, debs := range map[string][][]string{
		"up to 6.18": {{"boot/config-R", "boot/vmlinuz-R", "lib/modules/R/x.ko"}},
		"6.19":       {{"boot/vmlinuz-R"}, {"boot/config-R"}},
		"from 7.2":   {{"usr/lib/modules/R/vmlinuz"}, {"usr/lib/modules/R/config"}, {"usr/lib/modules/R/x.ko"}},
		"Ubuntu":     {{"boot/vmlinuz-R"}, {"boot/System.map-R", "boot/config-R", "lib/modules/R/x.ko"}},
		"mainline":   {{"boot/vmlinuz-R"}, {"usr/src/linux-headers-R/.config"}},
	} {
		for _, ending := range []string{"", ".gz", ".xz", ".zst"} {
			t.Run(name+ending, func(t *testing.T) {
				from, dir := t.TempDir(), t.TempDir()
				var paths []string
				modules := false
				for i, files := range debs {
					data := mirrors.Pack(t, ending, tarball(t, files...))
					paths = append(paths, writeDeb(t, from, fmt.Sprintf("%d.deb", i), deb(
						[2]string{"debian-binary", "2.0\n"}, [2]string{"control.tar.xz", "odd"}, [2]string{"data.tar" + ending, string(data)})))
					modules = modules || strings.HasSuffix(files[len(files)-1], ".ko")
				}
				check(t, unpackDebs(paths, "R", dir, false))
				for _, file := range []string{imageFile, configFile} {
					text, err := os.ReadFile(filepath.Join(dir, file))
					if err != nil || !strings.HasPrefix(string(text), "content of ") {
						t.Errorf("%s: %q, %v", file, text, err)
					}
				}
				if _, err := os.Stat(filepath.Join(dir, modulesDir)); err == nil {
					t.Error("modules were unpacked, and nobody wanted them")
				}
				check(t, unpackDebs(paths, "R", dir, true))
				if _, err := os.Stat(filepath.Join(dir, modulesDir, "R/x.ko")); modules && err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestUnpackDebsRefuses(t *testing.T) {
	data := string(mirrors.Pack(t, ".xz", tarball(t, "boot/vmlinuz-R")))
	whole := deb([2]string{"debian-binary", "2.0\n"}, [2]string{"data.tar.xz", data})
	for name, content := range map[string][]byte{
		"no kernel in it":     deb([2]string{"data.tar", string(tarball(t, "usr/bin/true"))}),
		"no data":             deb([2]string{"debian-binary", "2.0\n"}),
		"not a package":       []byte("text"),
		"empty":               nil,
		"cut off":             whole[:len(whole)-len(data)/2],
		"unknown compression": deb([2]string{"data.tar.lz9", "x"}),
		"broken header":       append([]byte("!<arch>\n"), bytes.Repeat([]byte("x"), 60)...),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := writeDeb(t, dir, "0.deb", content)
			if err := unpackDebs([]string{path}, "R", dir, false); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func FuzzWalkDeb(f *testing.F) {
	f.Add(deb([2]string{"debian-binary", "2.0\n"}, [2]string{"data.tar", string(tarball(f, "boot/vmlinuz-R"))}))
	f.Add(deb([2]string{"data.tar.xz", "x"}))
	path := filepath.Join(f.TempDir(), "fuzz.deb")
	f.Fuzz(func(t *testing.T, content []byte) {
		writeDeb(t, filepath.Dir(path), filepath.Base(path), content)
		_ = walkDeb(path, func(_ string, r io.Reader) (bool, error) {
			_, err := io.Copy(io.Discard, io.LimitReader(r, 1<<20))
			return true, err
		})
	})
}
