// SPDX-License-Identifier: MIT

package elffiles

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// loader is a program's loader, and where it searches libraries.
type loader struct {
	kind
	path   string
	soname string
	musl   bool
	// dirs are what it always searches here, fixed what it does in a machine that has no
	// configuration. They differ with musl alone.
	dirs, fixed []string
}

// loaderOf returns the loader that a program names.
func (s *search) loaderOf(o *object) (*loader, error) {
	file, err := os.Open(o.interp)
	if os.IsNotExist(err) {
		return nil, &MissingError{Program: o.path, Files: []Missing{{Name: o.interp, By: o.path}}}
	} else if err != nil {
		return nil, err
	}
	defer file.Close()
	it, err := read(file)
	if err == nil && it.kind != o.kind {
		err = fmt.Errorf("is for %s, the program for %s", it.kind, o.kind)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: its loader %s: %w", o.path, o.interp, err)
	}
	l := &loader{kind: o.kind, path: o.interp, soname: it.soname}
	if name, ok := strings.CutPrefix(filepath.Base(o.interp), "ld-musl-"); ok {
		l.musl = true
		l.fixed = []string{"/lib", "/usr/local/lib", "/usr/lib"}
		l.dirs = s.muslDirs(o.interp, strings.TrimSuffix(name, ".so.1"), l.fixed)
		return l, nil
	}
	if l.fixed, err = builtIn(file); err != nil {
		return nil, fmt.Errorf("read loader: %w", err)
	}
	if len(l.fixed) == 0 {
		// In the order of Fedora, whose directories other systems do not have.
		l.fixed = []string{filepath.Dir(l.path), "/lib64", "/usr/lib64", "/lib", "/usr/lib"}
		if l.bits() == 32 {
			l.fixed = []string{filepath.Dir(l.path), "/lib", "/usr/lib"}
		}
	}
	l.dirs = l.fixed
	return l, nil
}

// muslDirs reads the directories of musl's configuration, which is found from the path of
// the loader: https://git.musl-libc.org/cgit/musl/tree/ldso/dynlink.c
func (s *search) muslDirs(path, arch string, standard []string) []string {
	prefix := filepath.Dir(filepath.Dir(path))
	text, err := os.ReadFile(s.root + filepath.Join(prefix, "etc", "ld-musl-"+arch+".path"))
	if err != nil {
		return standard
	}
	return muslList(string(text))
}

// muslList splits a search path by the rules of musl.
func muslList(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ':' || r == '\n' })
}

// maxLoader bounds what is read of a loader, in bytes.
const maxLoader = 16 << 20

// builtIn finds the directories that glibc's loader was built with, such as
// /lib/x86_64-linux-gnu/ on Debian and /lib64/ on Fedora: they are one string after the
// other, each with a slash at its end, and nothing else in a loader is.
// https://sourceware.org/git/?p=glibc.git;a=blob;f=elf/dl-load.c, system_dirs
func builtIn(file io.ReaderAt) ([]string, error) {
	data, err := io.ReadAll(io.NewSectionReader(file, 0, maxLoader))
	if err != nil {
		return nil, err
	}
	var best, run []string
	for text := range bytes.SplitSeq(data, []byte{0}) {
		if isDirectory(text) {
			run = append(run, filepath.Clean(string(text)))
			continue
		}
		if len(run) > len(best) {
			best = run
		}
		run = nil
	}
	if len(best) < 2 {
		return nil, nil
	}
	return slices.Compact(best), nil
}

// isDirectory reports whether a string is /DIR/, as in the list of a loader.
func isDirectory(text []byte) bool {
	if len(text) < 3 || len(text) > maxPath || text[0] != '/' || text[len(text)-1] != '/' {
		return false
	}
	for _, c := range text {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return bytes.Contains(text, []byte("lib"))
}

// lib is what $LIB means: the loader's first directory, relative to the root.
func (l *loader) lib() string { return strings.TrimPrefix(l.fixed[0], "/") }
