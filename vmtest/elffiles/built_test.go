// SPDX-License-Identifier: MIT

package elffiles

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

// build is one call of a compiler, in a directory.
type build struct {
	out, source string
	args        []string
}

const (
	mainF = "int f(void); int main(void) { return f(); }"
	libF  = "int g(void); int f(void) { return g(); }"
	libG  = "int g(void) { return 0; }"
	alone = "int main(void) { return 0; }"
	// For this glibc opens libgcc_s.so.1.
	endsThread = "#include <pthread.h>\nint main(void) { pthread_exit(0); }"
)

// shared is a library whose name is that of its file.
func shared(out, source string, args ...string) build {
	soname := "-Wl,-soname," + filepath.Base(out)
	return build{out, source, append([]string{"-shared", "-fPIC", soname}, args...)}
}

// chain is a program that needs libf.so, which needs libg.so, both in lib.
func chain(args ...string) []build {
	return []build{
		shared("lib/libg.so", libG),
		shared("lib/libf.so", libF, "-Wl,--no-as-needed", "lib/libg.so"),
		{"program", mainF, append([]string{"lib/libf.so", "-Wl,-rpath-link,lib"}, args...)},
	}
}

// compile compiles everything into a new directory.
func compile(t *testing.T, compiler string, builds []build) string {
	t.Helper()
	dir := t.TempDir()
	for _, b := range builds {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(b.out)), 0o755); err != nil {
			t.Fatal(err)
		}
		words := append(strings.Fields(compiler), "-x", "c", "-", "-x", "none", "-o", b.out)
		cmd := exec.Command(words[0], append(words[1:], b.args...)...)
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(b.source)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", cmd, err, text)
		}
	}
	return dir
}

const (
	rpath   = "-Wl,--disable-new-dtags,-rpath,"
	runpath = "-Wl,--enable-new-dtags,-rpath,"
)

// TestBuilt: programs of all kinds need what their loader lists, and run with only that.
// What is missing to the loader is missing here.
func TestBuilt(t *testing.T) {
	for name, test := range map[string]struct {
		compiler string
		builds   []build
		env      string // LD_LIBRARY_PATH, below the directory
		missing  []string
		static   bool
	}{
		"static":                   {builds: []build{{"program", alone, []string{"-static"}}}, static: true},
		"static PIE":               {builds: []build{{"program", alone, []string{"-static-pie"}}}, static: true},
		"no PIE":                   {builds: []build{{"program", alone, []string{"-no-pie"}}}},
		"RPATH is inherited":       {builds: chain(rpath + "$ORIGIN/lib")},
		"RUNPATH is not":           {builds: chain(runpath + "$ORIGIN/lib"), missing: []string{"libg.so"}},
		"braces":                   {builds: chain(rpath + "${ORIGIN}/lib")},
		"LIB and PLATFORM":         {builds: append(chain(rpath+"$ORIGIN/$PLATFORM:$ORIGIN/${LIB}"), placed("lib/x86_64-linux-gnu/libf.so", "x86_64/libg.so")...)},
		"unknown variable":         {builds: chain(rpath + "$ORIGINAL/lib:$OTHER/lib"), missing: []string{"libf.so"}},
		"LD_LIBRARY_PATH":          {builds: chain(), env: "lib"},
		"no path":                  {builds: chain(), missing: []string{"libf.so"}},
		"RPATH of a library":       {builds: []build{shared("lib/libg.so", libG), shared("lib/libf.so", libF, "lib/libg.so", rpath+"$ORIGIN"), {"program", mainF, []string{"lib/libf.so", "-Wl,-rpath-link,lib", runpath + "$ORIGIN/lib"}}}},
		"RUNPATH of both":          {builds: []build{shared("lib/libg.so", libG), shared("lib/libf.so", libF, "lib/libg.so", runpath+"$ORIGIN"), {"program", mainF, []string{"lib/libf.so", "-Wl,-rpath-link,lib", runpath + "$ORIGIN/lib"}}}},
		"RUNPATH ends inheritance": {builds: []build{shared("lib/libg.so", libG), shared("lib/libf.so", libF, "lib/libg.so", runpath+"/none"), {"program", mainF, []string{"lib/libf.so", "-Wl,-rpath-link,lib", rpath + "$ORIGIN/lib"}}}, missing: []string{"libg.so"}},
		"end of a thread":          {builds: []build{{"program", endsThread, nil}}},
		"of 32 bits":               {compiler: "gcc -m32", builds: chain(rpath + "$ORIGIN/lib")},
		"wrong library first":      {builds: append(chain(rpath+"$ORIGIN/32:$ORIGIN/lib"), build{"32/libf.so", libG, []string{"-m32", "-shared", "-fPIC", "-nostdlib"}})},
		"no default":               {builds: chain(rpath+"$ORIGIN/lib", "-Wl,-z,nodefaultlib"), missing: []string{"libc.so.6"}},
		"musl":                     {compiler: "musl-gcc", builds: chain(rpath + "$ORIGIN/lib")},
		"musl, RUNPATH":            {compiler: "musl-gcc", builds: chain(runpath + "$ORIGIN/lib")},
		"musl, LIB":                {compiler: "musl-gcc", builds: chain(rpath + "$LIB:$ORIGIN/lib"), missing: []string{"libf.so"}},
		"musl, no path":            {compiler: "musl-gcc", builds: chain(), env: "lib"},
		"musl, static":             {compiler: "musl-gcc", builds: []build{{"program", alone, []string{"-static"}}}, static: true},
	} {
		t.Run(name, func(t *testing.T) {
			compiler := test.compiler
			if compiler == "" {
				compiler = "gcc"
			}
			needCompiler(t, compiler)
			if name == "wrong library first" {
				needCompiler(t, "gcc -m32")
			}
			dir := compile(t, compiler, test.builds)
			if test.env != "" {
				t.Setenv("LD_LIBRARY_PATH", filepath.Join(dir, test.env))
			} else {
				t.Setenv("LD_LIBRARY_PATH", "")
			}
			program := filepath.Join(dir, "program")
			needs, err := Needs(program, "amd64")
			var missing *MissingError
			switch {
			case test.missing != nil && errors.As(err, &missing):
				checkMissing(t, program, missing, test.missing)
				return
			case test.missing != nil:
				t.Fatalf("%v, %v; want %v to be missing", needs, err, test.missing)
			case err != nil:
				t.Fatal(err)
			case test.static != (len(needs) == 0):
				t.Fatalf("needs %v", needs)
			}
			if !test.static {
				o := dynamic(t, program)
				if diff := cmp.Diff(listed(t, o.interp, program), found(t, program)); diff != "" {
					t.Errorf("the loader's and ours:\n%s", diff)
				}
			}
			t.Setenv("LD_LIBRARY_PATH", "")
			runAlone(t, program, needs)
		})
	}
}

// needCompiler skips the test unless it is installed.
func needCompiler(t *testing.T, compiler string) {
	t.Helper()
	switch compiler {
	case "gcc":
		testutils.Compiler(t)
	case "gcc -m32":
		testutils.File(t, "/usr/lib32/crt1.o", "gcc-multilib")
	default:
		testutils.Program(t, compiler)
	}
}

// TestBothPaths: with a RUNPATH, the RPATH of a program does not count for its libraries'
// libraries either. The linker sets only one of them.
func TestBothPaths(t *testing.T) {
	needCompiler(t, "gcc")
	program := filepath.Join(compile(t, "gcc", []build{
		shared("lib/libg.so", libG), shared("one/libf.so", libF, "lib/libg.so"),
		{"program", mainF, []string{"one/libf.so", "-Wl,-rpath-link,lib", runpath + "$ORIGIN/lib:$ORIGIN/one"}},
	}), "program")
	file, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	section := file.Section(".dynamic")
	data, err := section.Data()
	if err != nil {
		t.Fatal(err)
	}
	entry := func(tag elf.DynTag) []byte {
		for e := data; len(e) >= 16; e = e[16:] {
			if elf.DynTag(binary.LittleEndian.Uint64(e)) == tag {
				return e
			}
		}
		t.Fatalf("no %s", tag)
		return nil
	}
	run := entry(elf.DT_RUNPATH)
	path := binary.LittleEndian.Uint64(run[8:])
	binary.LittleEndian.PutUint64(run[8:], path+uint64(len("$ORIGIN/lib:"))) // $ORIGIN/one
	unused := entry(elf.DT_DEBUG)
	binary.LittleEndian.PutUint64(unused, uint64(elf.DT_RPATH))
	binary.LittleEndian.PutUint64(unused[8:], path)
	out, err := os.OpenFile(program, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = out.WriteAt(data, int64(section.Offset))
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
	var missing *MissingError
	if _, err := Needs(program, "amd64"); !errors.As(err, &missing) {
		t.Fatalf("%v, want a library to be missing", err)
	}
	checkMissing(t, program, missing, []string{"libg.so"})
}

// placed are further copies of the libraries of a chain.
func placed(f, g string) []build {
	return []build{shared(g, libG), shared(f, libF, "-Wl,--no-as-needed", g)}
}

// checkMissing compares with the expected libraries, and with what happens when the
// program is started.
func checkMissing(t *testing.T, program string, missing *MissingError, want []string) {
	t.Helper()
	var got []string
	for _, m := range missing.Files {
		got = append(got, m.Name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("missing:\n%s", diff)
	}
	text, err := exec.Command(program).CombinedOutput()
	if err == nil || !strings.Contains(string(text), want[0]) {
		t.Errorf("it runs: %v\n%s", err, text)
	}
	if !strings.Contains(missing.Error(), program) || !strings.Contains(missing.Error(), want[0]) {
		t.Errorf("%v", missing)
	}
}

// runAlone runs a program in a root that has nothing but what it needs, in another
// directory than here.
func runAlone(t *testing.T, program string, needs []Need) {
	t.Helper()
	if testing.Short() || os.Geteuid() != 0 {
		t.Log("not run: needs root, to change it")
		return
	}
	root := t.TempDir()
	for _, n := range append(slices.Clone(needs), Need{"/other/program", program}) {
		copyFile(t, filepath.Join(root, n.Path), n.Source)
	}
	cmd := exec.Command("/other/program")
	cmd.Dir, cmd.Env, cmd.SysProcAttr = "/", []string{}, &syscall.SysProcAttr{Chroot: root}
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("alone: %v\n%s", err, text)
	}
}

func copyFile(t *testing.T, to, from string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestGo: programs of Go, however they are built.
func TestGo(t *testing.T) {
	testutils.Compiler(t)
	testutils.Time(t)
	for name, test := range map[string]struct {
		env    string
		flags  []string
		static bool
	}{
		"static": {env: "CGO_ENABLED=0", static: true},
		"PIE":    {env: "CGO_ENABLED=0", flags: []string{"-buildmode=pie"}},
		"cgo":    {env: "CGO_ENABLED=1"},
		"race":   {env: "CGO_ENABLED=1", flags: []string{"-race"}},
		"386":    {env: "GOARCH=386", static: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			source := filepath.Join(dir, "main.go")
			text := "package main\nimport _ \"net\"\nimport \"os/user\"\nfunc main() { _, _ = user.Current() }\n"
			if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			program := filepath.Join(dir, "program")
			cmd := exec.Command("go", append(append([]string{"build", "-o", program}, test.flags...), source)...)
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0", test.env)
			if text, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			needs, err := Needs(program, "amd64")
			if err != nil || test.static != (len(needs) == 0) {
				t.Fatalf("needs %v, %v", needs, err)
			}
			runAlone(t, program, needs)
		})
	}
}
