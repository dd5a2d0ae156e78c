// SPDX-License-Identifier: MIT

package elffiles

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// opened are libraries that glibc opens by itself when a program ends a thread, or asks
// for users and hosts, if they are there. glibc 2.34 has the latter built in.
var opened = []string{"libgcc_s.so.1", "libnss_files.so.2", "libnss_dns.so.2"}

// linked adds what a program needs that its loader loads.
func (s *search) linked(program *object) error {
	if program.interp == "" {
		if len(program.needed) > 0 {
			return fmt.Errorf("%s: %w: it is a library", program.path, ErrNotExecutable)
		}
		return nil // static
	}
	l, err := s.loaderOf(program)
	if err != nil {
		return err
	}
	s.add(l.path, l.path)
	// The names by which the loader knows what it has loaded.
	seen := map[string]bool{l.path: true, l.soname: true}
	missing, err := s.load(l, program, seen)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return &MissingError{Program: program.path, Files: missing}
	}
	if seen["libc.so.6"] {
		// As one more library of the program, whose absence is no error.
		_, err = s.load(l, &object{kind: program.kind, path: program.path, by: program, needed: opened}, seen)
	}
	return err
}

// load adds the libraries of an object, and theirs, in the order of the loader: first
// those of one object, then those that they need. It returns what was not found.
func (s *search) load(l *loader, first *object, seen map[string]bool) ([]Missing, error) {
	var missing []Missing
	for queue := []*object{first}; len(queue) > 0; queue = queue[1:] {
		by := queue[0]
		for _, name := range by.needed {
			if seen[name] || l.musl && l.provides(name) {
				continue
			}
			seen[name] = true
			o, fixed, err := s.library(l, by, name)
			if err != nil {
				return nil, err
			}
			if o == nil {
				missing = append(missing, Missing{Name: name, By: by.path})
				continue
			}
			if o.soname != "" {
				seen[o.soname] = true
			}
			s.add(o.path, o.path)
			if !fixed && !strings.Contains(name, "/") {
				s.add(filepath.Join(l.fixed[0], name), o.path)
			}
			queue = append(queue, o)
		}
	}
	return missing, nil
}

// library finds a library that an object needs: nil if it is not installed. fixed reports
// whether a machine that has the file at the same path finds it too.
func (s *search) library(l *loader, by *object, name string) (o *object, fixed bool, err error) {
	for place := range s.places(l, by, name) {
		path, err := filepath.Abs(place.path)
		if err != nil {
			return nil, false, err
		}
		o, err := open(path, l.kind)
		switch {
		case err != nil:
			return nil, false, fmt.Errorf("%s, which %s needs: %w", path, by.path, err)
		case o != nil:
			o.by = by
			return o, place.fixed, nil
		}
	}
	return nil, false, nil
}

// open reads a library, or returns nil if a loader would look further: what cannot be
// opened, and what is of another architecture.
func open(path string, want kind) (*object, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil //nolint:nilerr // as the loader does
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || info.IsDir() {
		return nil, err
	}
	o, err := read(file)
	switch {
	case errors.Is(err, errNotELF):
		return nil, errors.New("not a library")
	case err != nil:
		return nil, err
	case o.kind != want:
		return nil, nil
	}
	o.path, o.origin = path, filepath.Dir(path)
	return o, nil
}

// provides reports whether musl's loader is this library itself.
// https://git.musl-libc.org/cgit/musl/tree/ldso/dynlink.c, load_library
func (l *loader) provides(name string) bool {
	rest, ok := strings.CutPrefix(name, "lib")
	word, _, found := strings.Cut(rest, ".")
	if !ok || !found {
		return false
	}
	switch word {
	case "c", "pthread", "rt", "m", "dl", "util", "xnet", "crypt":
		return true
	}
	return false
}
