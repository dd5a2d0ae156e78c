// SPDX-License-Identifier: MIT

package initramfs

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

func TestParseList(t *testing.T) {
	for name, test := range map[string]struct {
		text    string
		want    []library
		missing missingError
		err     string
	}{
		"glibc": {
			text: "\tlinux-vdso.so.1 (0x00007f6bfc552000)\n" +
				"\tlibf.so.1 => ./libf.so.1 (0x00007f6bfc540000)\n" +
				"\tlibg.so.1 => /opt/a (b) => c/libg.so.1 (0x00007f6bfc530000)\n" +
				"\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f6bfc354000)\n" +
				"\t/lib64/ld-linux-x86-64.so.2 (0x00007f6bfc554000)\n",
			want: []library{
				{"libf.so.1", "./libf.so.1"}, {"libg.so.1", "/opt/a (b) => c/libg.so.1"},
				{"libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6"}, {"/lib64/ld-linux-x86-64.so.2", "/lib64/ld-linux-x86-64.so.2"},
			},
		},
		"glibc, old": {
			text: "\tlinux-gate.so.1 =>  (0xb7714000)\n\tlibc.so.6 => /lib/libc.so.6 (0xb75c0000)\n\t/lib/ld-linux.so.2 (0xb7715000)\n",
			want: []library{{"libc.so.6", "/lib/libc.so.6"}, {"/lib/ld-linux.so.2", "/lib/ld-linux.so.2"}},
		},
		"glibc, static": {text: "\tstatically linked\n"},
		"glibc, missing": {
			text:    "./m: error while loading shared libraries: libf.so.1: cannot open shared object file: No such file or directory\n",
			missing: missingError{"libf.so.1"},
		},
		"glibc, several missing": {
			text:    "\tlibf.so.1 => not found\n\tlibg.so.1 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x1)\n",
			missing: missingError{"libf.so.1", "libg.so.1"},
		},
		"glibc, too old": {
			text: "./m: /lib/libc.so.6: version `GLIBC_2.38' not found (required by ./m)\n\tlibc.so.6 => /lib/libc.so.6 (0x1)\n",
			err:  "GLIBC_2.38",
		},
		"glibc, no program": {
			text: "./f.c: error while loading shared libraries: ./f.c: file too short\n",
			err:  "file too short",
		},
		"musl": {
			text: "\t/lib/ld-musl-x86_64.so.1 (0x7fe04304c000)\n" +
				"\tlibg.so.1 => /usr/lib/libg.so.1 (0x7fe04303a000)\n" +
				"\tlibc.so => /lib/ld-musl-x86_64.so.1 (0x7fe04304c000)\n",
			want: []library{
				{"/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-x86_64.so.1"},
				{"libg.so.1", "/usr/lib/libg.so.1"}, {"libc.so", "/lib/ld-musl-x86_64.so.1"},
			},
		},
		"musl, missing": {
			text: "\t/lib/ld-musl-x86_64.so.1 (0x7f039c41a000)\n" +
				"\tlibc.so => /lib/ld-musl-x86_64.so.1 (0x7f039c41a000)\n" +
				"Error loading shared library libg.so.1: No such file or directory (needed by ./mm)\n" +
				"Error relocating ./mm: f: symbol not found\n",
			missing: missingError{"libg.so.1"},
		},
		"musl, wrong library": {text: "Error relocating ./mm: f: symbol not found\n", err: "f: symbol not found"},
		"nothing":             {},
		"an address alone":    {text: "\t=> (0x1)\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseList(test.text)
			var missing missingError
			_ = errors.As(err, &missing)
			if diff := cmp.Diff(test.missing, missing); diff != "" {
				t.Error(diff)
			}
			if wantErr := test.err != "" || test.missing != nil; (err != nil) != wantErr || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v, want %q", err, test.err)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(library{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// FuzzParseList: for any loader output each library has a path, and is found again in the
// output that a loader would print for it.
func FuzzParseList(f *testing.F) {
	f.Add("\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/libc.so.6 (0x2)\n\t/lib/ld.so (0x3)\n")
	f.Add("Error loading shared library libg.so.1: No such file (needed by x)\nError relocating x: f: symbol not found\n")
	f.Add("\tlibf.so.1 => not found\n")
	f.Add("x: error while loading shared libraries: libf.so.1: cannot open shared object file: y\n")
	f.Fuzz(func(t *testing.T, text string) {
		libraries, err := parseList(text)
		if err != nil && libraries != nil {
			t.Errorf("%v, and libraries", err)
		}
		var again strings.Builder
		for _, l := range libraries {
			if l.path == "" {
				t.Errorf("no path in %+v", l)
			}
			again.WriteString("\t" + l.name + " => " + l.path + " (0x1)\n")
		}
		if got, err := parseList(again.String()); err != nil || !slices.Equal(got, libraries) {
			t.Errorf("%q\nbecomes %q, %v", libraries, got, err)
		}
	})
}

// compile makes a program that needs libf.so.1, which is in the directory lib beside
// it, where the program looks.
func compile(t *testing.T) (program, lib string) {
	t.Helper()
	testutils.Compiler(t)
	dir := t.TempDir()
	lib = filepath.Join(dir, "lib")
	if err := os.Mkdir(lib, 0o755); err != nil {
		t.Fatal(err)
	}
	program = filepath.Join(dir, "program")
	library := filepath.Join(lib, "libf.so.1")
	for _, c := range []struct {
		source string
		args   []string
	}{
		{"int f(void) { return 0; }", []string{"-shared", "-fPIC", "-Wl,-soname,libf.so.1", "-o", library}},
		{"int f(void); int main(void) { return f(); }", []string{"-o", program, "-Wl,-rpath,$ORIGIN/lib", "-x", "none", library}},
	} {
		// The library comes after what needs it.
		cmd := exec.Command("gcc", append([]string{"-x", "c", "-"}, c.args...)...)
		cmd.Stdin = strings.NewReader(c.source)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	}
	return program, lib
}

// TestProgram: loader and libraries are where the loader found them, and what it
// found by the program's own path is with the C library too.
func TestProgram(t *testing.T) {
	path, lib := compile(t)
	files, err := Program("some/program", path)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]File{}
	for _, f := range files {
		if _, twice := seen[f.Name]; twice {
			t.Errorf("%s is there twice", f.Name)
		}
		if dir := filepath.Dir(f.Name); dir != "." && seen[dir].Mode != Directory|0o755 {
			t.Errorf("no directory before %s", f.Name)
		}
		seen[f.Name] = f
	}
	content, err := os.ReadFile(filepath.Join(lib, "libf.so.1"))
	if err != nil {
		t.Fatal(err)
	}
	copies := 0
	for name, f := range seen {
		if filepath.Base(name) == "libf.so.1" {
			copies++
			if !bytes.Equal(f.Data, content) {
				t.Errorf("%s is another file", name)
			}
		}
	}
	if copies != 2 || seen[strings.TrimPrefix(lib, "/")+"/libf.so.1"].Data == nil {
		t.Errorf("%d copies of the library", copies)
	}
	loader, err := interpreter(seen["some/program"].Data)
	if err != nil || loader == "" || seen[strings.TrimPrefix(loader, "/")].Data == nil {
		t.Errorf("no loader %s, %v", loader, err)
	}

	// Another library makes another archive.
	dir := t.TempDir()
	first, err := keep(dir, files)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(lib, "libf.so.1"), append(content, 0), 0o755); err != nil {
		t.Fatal(err)
	}
	if files, err = Program("some/program", path); err != nil {
		t.Fatal(err)
	}
	if second, err := keep(dir, files); err != nil || second == first {
		t.Errorf("%s after %s, %v", second, first, err)
	}

	// One that is missing is named.
	if err := os.RemoveAll(lib); err != nil {
		t.Fatal(err)
	}
	var missing missingError
	if _, err := Program("program", path); !errors.As(err, &missing) || !slices.Equal(missing, []string{"libf.so.1"}) {
		t.Errorf("%v, want libf.so.1 to be missing", err)
	}
}

func TestBaseline(t *testing.T) {
	for path, want := range map[string]string{
		"/lib/libc.so.6":                        "/lib/libc.so.6",
		"/lib/glibc-hwcaps/x86-64-v3/libc.so.6": "/lib/libc.so.6",
	} {
		if got := baselinePath(path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	dir := t.TempDir()
	fast := filepath.Join(dir, "glibc-hwcaps", "x86-64-v3", "libx.so")
	if got := baseline(fast); got != fast {
		t.Errorf("%s, of which there is one alone, is %s", fast, got)
	}
	every := filepath.Join(dir, "libx.so")
	if err := os.WriteFile(every, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := baseline(fast); got != every {
		t.Errorf("%s is %s, want %s", fast, got, every)
	}
}
