// SPDX-License-Identifier: MIT

package initramfs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// library is what a loader loads: the requested name, and the absolute path.
type library struct{ name, path string }

// loaded runs a loader to list what it would load for a program. So the rules of the C
// library itself apply, be it glibc or musl.
func loaded(loader string, program *os.File, path string) ([]library, error) {
	cmd := exec.Command(loader, "--list", path)
	cmd.ExtraFiles = []*os.File{program}
	// Libraries in LD_PRELOAD are not part of the program.
	cmd.Env = []string{"LC_ALL=C"}
	if path := os.Getenv("LD_LIBRARY_PATH"); path != "" {
		cmd.Env = append(cmd.Env, "LD_LIBRARY_PATH="+path)
	}
	text, err := cmd.CombinedOutput()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		return nil, fmt.Errorf("ask loader for libraries: %w", err)
	}
	libraries, listErr := parseList(string(text))
	if listErr != nil {
		err = listErr
	}
	if err != nil {
		return nil, fmt.Errorf("ask %s for libraries: %w", loader, err)
	}
	for i, l := range libraries {
		if libraries[i].path, err = filepath.Abs(l.path); err != nil {
			return nil, err
		}
	}
	return libraries, nil
}

// missingError names libraries that a loader did not find.
type missingError []string

func (e missingError) Error() string { return "not installed: " + strings.Join(e, ", ") }

// parseList reads what a loader prints with --list, with its errors: a line for
// each library,
//
//	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007faa9a410000)
//	/lib64/ld-linux-x86-64.so.2 (0x00007faa9a606000)
//
// and for the kernel's, which has no path. The paths may be relative.
func parseList(text string) ([]library, error) {
	var libraries []library
	var missing missingError
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if name := missingIn(line); name != "" {
			missing = append(missing, name)
			continue
		}
		// After a missing library, musl's loader also reports the symbols that it lacks.
		if line == "" || line == "statically linked" || len(missing) > 0 && strings.HasPrefix(line, "Error relocating ") {
			continue
		}
		at := strings.LastIndex(line, "(0x")
		if at < 0 || !strings.HasSuffix(line, ")") {
			return nil, errors.New(line)
		}
		what := strings.TrimSpace(line[:at])
		name, path, found := strings.Cut(what, " => ")
		if !found {
			if !strings.Contains(what, "/") { // the kernel's, as linux-vdso.so.1
				continue
			}
			name, path = what, what
		}
		libraries = append(libraries, library{name, path})
	}
	if len(missing) > 0 {
		return nil, missing
	}
	return libraries, nil
}

// missingIn returns the name of the library that a line reports as missing, or "". The
// words are those of glibc, with and without LD_TRACE_LOADED_OBJECTS, and musl.
//
// https://sourceware.org/git/?p=glibc.git;a=blob;f=elf/dl-load.c
// https://git.musl-libc.org/cgit/musl/tree/ldso/dynlink.c
func missingIn(line string) string {
	if name, ok := strings.CutSuffix(line, " => not found"); ok {
		return name
	}
	if _, rest, ok := strings.Cut(line, ": error while loading shared libraries: "); ok {
		if name, _, ok := strings.Cut(rest, ": cannot open shared object file"); ok {
			return name
		}
	}
	if rest, ok := strings.CutPrefix(line, "Error loading shared library "); ok {
		name, _, _ := strings.Cut(rest, ": ")
		return name
	}
	return ""
}
