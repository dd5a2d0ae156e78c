// SPDX-License-Identifier: MIT

package initramfs

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/vmtest/elffiles"

	"github.com/ringtwin/ringtwin/internal/testutils"
)

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
	if seen["lib64/ld-linux-x86-64.so.2"].Data == nil {
		t.Error("no loader")
	}
	if err := CheckStatic(seen["some/program"].Data); !errors.Is(err, ErrNotStatic) {
		t.Errorf("it is static: %v", err)
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
	var missing *elffiles.MissingError
	if _, err := Program("program", path); !errors.As(err, &missing) || missing.Files[0].Name != "libf.so.1" {
		t.Errorf("%v, want libf.so.1 to be missing", err)
	}
}
