// SPDX-License-Identifier: MIT

package elffiles

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// cacheEntry is a line of a cache.
type cacheEntry struct {
	name, path string
	hwcap      uint64
}

// oldCache and newCache write caches in the two formats.
func oldCache(entries []cacheEntry) []byte {
	b := append([]byte(oldMagic), 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(entries)))
	var text []byte
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint32(b, 3)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(text)+len(e.name)+1))
		text = append(text, e.name+"\x00"+e.path+"\x00"...)
	}
	return append(b, text...)
}

func newCache(entries []cacheEntry) []byte {
	text, at := []byte(nil), uint32(newHeader+newEntry*len(entries))
	b := binary.LittleEndian.AppendUint32([]byte(newMagic), uint32(len(entries)))
	b = append(b, make([]byte, newHeader-len(b))...)
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint32(b, 0x303)
		b = binary.LittleEndian.AppendUint32(b, at+uint32(len(text)))
		b = binary.LittleEndian.AppendUint32(b, at+uint32(len(text)+len(e.name)+1))
		b = binary.LittleEndian.AppendUint32(b, 0)
		b = binary.LittleEndian.AppendUint64(b, e.hwcap)
		text = append(text, e.name+"\x00"+e.path+"\x00"...)
	}
	return append(b, text...)
}

func TestParseCache(t *testing.T) {
	entries := []cacheEntry{
		{"liba.so", "/lib/glibc-hwcaps/x86-64-v3/liba.so", 1<<62 | 1}, {"liba.so", "/lib/liba.so", 0}, {"liba.so", "/lib32/liba.so", 0},
		{"libb.so", "/lib/libb.so", 0},
	}
	want := map[string][]string{"liba.so": {"/lib/liba.so", "/lib32/liba.so"}, "libb.so": {"/lib/libb.so"}}
	both := oldCache(nil)
	both = append(both, newCache(entries)...)
	for name, test := range map[string]struct {
		data []byte
		want map[string][]string
		err  bool
	}{
		"old":        {data: oldCache(entries[1:]), want: want},
		"new":        {data: newCache(entries), want: want},
		"both":       {data: both, want: want},
		"none":       {data: newCache(nil), want: map[string][]string{}},
		"empty":      {err: true},
		"text":       {data: []byte("include /etc/ld.so.conf.d/*.conf\n"), err: true},
		"cut off":    {data: newCache(entries)[:newHeader+newEntry], err: true},
		"cut text":   {data: newCache(entries)[:newHeader+4*newEntry+10], err: true},
		"old, cut":   {data: oldCache(entries)[:oldHeader+oldEntry], err: true},
		"many":       {data: bytes.Replace(newCache(entries), []byte{4, 0, 0, 0}, []byte{255, 255, 255, 255}, 1), err: true},
		"no absolut": {data: newCache([]cacheEntry{{"liba.so", "lib/liba.so", 0}}), err: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseCache(test.data)
			if (err != nil) != test.err {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// FuzzParseCache: any cache is read or refused, and its paths are absolute.
func FuzzParseCache(f *testing.F) {
	entries := []cacheEntry{{"liba.so", "/lib/liba.so", 0}, {"libb.so", "/lib/libb.so", 1}}
	f.Add(oldCache(entries))
	f.Add(newCache(entries))
	f.Add(append(oldCache(nil), newCache(entries)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		caches, err := parseCache(data)
		if err != nil && caches != nil {
			t.Errorf("%v, and a cache", err)
		}
		for name, paths := range caches {
			for _, path := range paths {
				if !filepath.IsAbs(path) {
					t.Errorf("%s is at %s", name, path)
				}
			}
		}
	})
}

// TestConfigured: a library that only a cache, or musl's list, leads to is found, and is
// in the machine where its loader looks without them.
func TestConfigured(t *testing.T) {
	for name, test := range map[string]struct {
		compiler, file, fixed string
		content               func(dir string) []byte
	}{
		"glibc": {"gcc", "etc/ld.so.cache", "/lib/x86_64-linux-gnu", func(dir string) []byte {
			return newCache([]cacheEntry{{"libf.so", dir + "/libf.so", 0}, {"libg.so", "/no/such", 0}, {"libg.so", dir + "/libg.so", 0}})
		}},
		"musl": {"musl-gcc", "etc/ld-musl-x86_64.path", "/lib", func(dir string) []byte {
			return []byte("/lib/x86_64-linux-musl\n" + dir + ":/usr/lib")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			needCompiler(t, test.compiler)
			dir := compile(t, test.compiler, chain())
			root := t.TempDir()
			file := filepath.Join(root, test.file)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			lib := filepath.Join(dir, "lib")
			if err := os.WriteFile(file, test.content(lib), 0o644); err != nil {
				t.Fatal(err)
			}
			h := &host{root: root}
			program := filepath.Join(dir, "program")
			needs, err := h.needs(program, "amd64")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, n := range needs {
				if strings.HasPrefix(n.Source, lib) {
					got = append(got, n.Path)
				}
			}
			want := []string{lib + "/libf.so", test.fixed + "/libf.so", lib + "/libg.so", test.fixed + "/libg.so"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			runAlone(t, program, needs)
		})
	}
}

// TestBuiltIn: the directories of a loader are those that stand in a row in it.
func TestBuiltIn(t *testing.T) {
	for name, test := range map[string]struct {
		data string
		want []string
	}{
		"Debian": {"x\x00/etc/ld.so.cache\x00/lib/x86_64-linux-gnu/\x00/usr/lib/x86_64-linux-gnu/\x00/lib/\x00/usr/lib/\x00y", []string{"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib", "/usr/lib"}},
		"Fedora": {"/proc/\x00/lib64/\x00/usr/lib64/\x00", []string{"/lib64", "/usr/lib64"}},
		"none":   {"/lib/ld.so\x00/var/lib/\x00/", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := builtIn(strings.NewReader(test.data))
			if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}
