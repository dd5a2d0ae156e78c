// SPDX-License-Identifier: MIT

package elffiles

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// program is a small ELF file without a loader.
func program(machine elf.Machine, class elf.Class, order binary.ByteOrder, kind elf.Type) []byte {
	ident := [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(class), byte(elf.ELFDATA2LSB), 1}
	if order == binary.BigEndian {
		ident[elf.EI_DATA] = byte(elf.ELFDATA2MSB)
	}
	var b bytes.Buffer
	var parts []any
	if class == elf.ELFCLASS64 {
		parts = []any{
			elf.Header64{Ident: ident, Type: uint16(kind), Machine: uint16(machine), Phoff: 64, Phentsize: 56, Phnum: 1},
			elf.Prog64{Type: uint32(elf.PT_LOAD)},
		}
	} else {
		parts = []any{
			elf.Header32{Ident: ident, Type: uint16(kind), Machine: uint16(machine), Phoff: 52, Phentsize: 32, Phnum: 1},
			elf.Prog32{Type: uint32(elf.PT_LOAD)},
		}
	}
	for _, part := range parts {
		if err := binary.Write(&b, order, part); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

// TestRefused: what cannot run in the machine is refused with the reason.
func TestRefused(t *testing.T) {
	little, big := binary.LittleEndian, binary.BigEndian
	amd64 := program(elf.EM_X86_64, elf.ELFCLASS64, little, elf.ET_EXEC)
	for name, test := range map[string]struct {
		data  []byte
		mode  fs.FileMode // default: 0755
		guest string      // default: amd64
		want  string      // "": it runs
		is    error
	}{
		"amd64":        {data: amd64},
		"386":          {data: program(elf.EM_386, elf.ELFCLASS32, little, elf.ET_EXEC)},
		"386 on arm64": {data: program(elf.EM_386, elf.ELFCLASS32, little, elf.ET_EXEC), guest: "arm64", want: "/f is a program for 386, the machine is arm64"},
		"arm64":        {data: program(elf.EM_AARCH64, elf.ELFCLASS64, little, elf.ET_EXEC), want: "/f is a program for arm64, the machine is amd64"},
		"arm64 there":  {data: program(elf.EM_AARCH64, elf.ELFCLASS64, little, elf.ET_EXEC), guest: "arm64"},
		"x32":          {data: program(elf.EM_X86_64, elf.ELFCLASS32, little, elf.ET_EXEC), want: "is a program for x32, the machine is amd64"},
		"big endian":   {data: program(elf.EM_S390, elf.ELFCLASS64, big, elf.ET_EXEC), want: "is a program for s390x, the machine is amd64"},
		"another":      {data: program(elf.EM_SPARCV9, elf.ELFCLASS64, big, elf.ET_EXEC), want: "is a program for SPARCV9 of 64 bits, big endian, the machine"},
		"object file":  {data: program(elf.EM_X86_64, elf.ELFCLASS64, little, elf.ET_REL), is: ErrNotExecutable, want: "it is of type ET_REL"},
		"no machine":   {data: amd64, guest: "pdp11", want: "machines of pdp11 are not known"},
		"text":         {data: []byte("hello\n"), is: ErrNotExecutable, want: "not a program (neither ELF nor a script"},
		"empty":        {is: ErrNotExecutable, want: "not a program"},
		"no mode":      {data: amd64, mode: 0o644, is: fs.ErrPermission, want: "chmod +x"},
		"cut off":      {data: amd64[:80], is: errCorrupt, want: "read program header 0"},
		"header alone": {data: amd64[:40], is: errCorrupt, want: "read header"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f")
			mode, guest := test.mode, test.guest
			if mode == 0 {
				mode = 0o755
			}
			if guest == "" {
				guest = "amd64"
			}
			if err := os.WriteFile(path, test.data, mode); err != nil {
				t.Fatal(err)
			}
			needs, err := Needs(path, guest)
			switch {
			case test.want == "" && (err != nil || len(needs) > 0):
				t.Errorf("%v, %v", needs, err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) && guest != "pdp11"):
				t.Errorf("%v, want %q", err, test.want)
			case test.is != nil && !errors.Is(err, test.is):
				t.Errorf("%v is not %v", err, test.is)
			}
			if wrong := new(ArchError); strings.Contains(test.want, "is a program for") != errors.As(err, &wrong) {
				t.Errorf("%#v", err)
			}
		})
	}
	if _, err := Needs(t.TempDir(), "amd64"); !errors.Is(err, ErrNotExecutable) {
		t.Errorf("directory: %v", err)
	}
	if _, err := Needs("/dev/null", "amd64"); !errors.Is(err, ErrNotExecutable) {
		t.Errorf("device: %v", err)
	}
	if _, err := Needs(filepath.Join(t.TempDir(), "none"), "amd64"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
}

// patched is a copy of a program with another byte string in place of one.
func patched(t *testing.T, path, from, to string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(from) != len(to) || !bytes.Contains(data, []byte(from)) {
		t.Fatalf("%q cannot replace %q", to, from)
	}
	path = filepath.Join(t.TempDir(), "patched")
	if err := os.WriteFile(path, bytes.ReplaceAll(data, []byte(from), []byte(to)), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestLoader: a loader that is absent is missing, one of another architecture is
// reported, and a library that is not ELF is corrupt.
func TestLoader(t *testing.T) {
	needCompiler(t, "gcc")
	dir := compile(t, "gcc", chain(rpath+"$ORIGIN/lib"))
	program := filepath.Join(dir, "program")
	const loader = "/lib64/ld-linux-x86-64.so.2"

	absent := patched(t, program, loader, "/lib64/ld-linux-x86-64.so.9")
	var missing *MissingError
	if _, err := Needs(absent, "amd64"); !errors.As(err, &missing) || missing.Files[0].Name != "/lib64/ld-linux-x86-64.so.9" {
		t.Errorf("%v, want the loader to be missing", err)
	}
	wrong := filepath.Join(t.TempDir(), "wrong")
	other := program386(t, wrong, len(loader))
	if _, err := Needs(patched(t, program, loader, other), "amd64"); err == nil || !strings.Contains(err.Error(), "is for 386, the program for amd64") {
		t.Errorf("loader of another architecture: %v", err)
	}
	relative := patched(t, program, loader, "xlib64/ld-linux-x86-64.so.2")
	if _, err := Needs(relative, "amd64"); !errors.Is(err, errCorrupt) {
		t.Errorf("relative loader: %v", err)
	}
	library := filepath.Join(dir, "lib", "libg.so")
	if err := os.WriteFile(library, []byte("INPUT(other)"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Needs(program, "amd64"); err == nil || !strings.Contains(err.Error(), library+", which "+filepath.Join(dir, "lib", "libf.so")+" needs: not a library") {
		t.Errorf("text as a library: %v", err)
	}
}

// program386 writes a program of 32 bits, and returns a path to it of a given length.
func program386(t *testing.T, path string, length int) string {
	t.Helper()
	if err := os.WriteFile(path, program(elf.EM_386, elf.ELFCLASS32, binary.LittleEndian, elf.ET_DYN), 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "ld")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	name := dir + "/" + strings.Repeat("l", length-len(dir)-1)
	if err := os.Symlink(path, name); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestSecondPath: what the machine's loader would not find is where it always looks, too.
func TestSecondPath(t *testing.T) {
	for name, test := range map[string]struct {
		path string
		want bool
	}{"$ORIGIN": {"$ORIGIN/lib", true}, "absolute": {"DIR/lib", false}} {
		t.Run(name, func(t *testing.T) {
			needCompiler(t, "gcc")
			dir := t.TempDir() // which the second build must know
			builds := chain(rpath + strings.Replace(test.path, "DIR", dir, 1))
			built := compile(t, "gcc", builds)
			if err := os.CopyFS(dir, os.DirFS(built)); err != nil {
				t.Fatal(err)
			}
			program := filepath.Join(dir, "program")
			if err := os.Chmod(program, 0o755); err != nil {
				t.Fatal(err)
			}
			needs, err := Needs(program, "amd64")
			if err != nil {
				t.Fatal(err)
			}
			here := filepath.Join(dir, "lib", "libf.so")
			var paths []string
			for _, n := range needs {
				if n.Source == here {
					paths = append(paths, n.Path)
				}
			}
			if !slices.Contains(paths, here) || (len(paths) == 2) != test.want {
				t.Errorf("%s is at %q", here, paths)
			}
		})
	}
}

// FuzzRead: any file is read or refused, within bounds.
func FuzzRead(f *testing.F) {
	f.Add(program(elf.EM_X86_64, elf.ELFCLASS64, binary.LittleEndian, elf.ET_EXEC))
	f.Add(program(elf.EM_386, elf.ELFCLASS32, binary.LittleEndian, elf.ET_DYN))
	f.Add(program(elf.EM_S390, elf.ELFCLASS64, binary.BigEndian, elf.ET_DYN))
	if data, err := os.ReadFile("/usr/bin/true"); err == nil {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := read(bytes.NewReader(data))
		if err != nil {
			return
		}
		if len(o.needed) > maxNeeded || len(o.interp) > maxPath || len(o.runpath) > maxString || o.interp != "" && !filepath.IsAbs(o.interp) {
			t.Errorf("%+v", o)
		}
	})
}
