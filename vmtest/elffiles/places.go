// SPDX-License-Identifier: MIT

package elffiles

import (
	"iter"
	"path/filepath"
	"slices"
	"strings"
)

// place is a path where a loader looks for a library.
type place struct {
	path  string
	fixed bool // it is in a machine, too
}

// places are where a loader looks for what an object needs, in its order.
func (s *search) places(l *loader, by *object, name string) iter.Seq[place] {
	return func(yield func(place) bool) {
		if strings.Contains(name, "/") {
			if path, ok := l.expand(by, name); ok {
				yield(place{path, filepath.IsAbs(name)})
			}
			return
		}
		in := s.glibc
		if l.musl {
			in = s.musl
		}
		for p := range in(l, by, name) {
			if !yield(p) {
				return
			}
		}
	}
}

// glibc: https://sourceware.org/git/?p=glibc.git;a=blob;f=elf/dl-load.c, _dl_map_object.
// Directories for single levels of CPUs (glibc-hwcaps) are left out: the machine's CPU
// may be another.
func (s *search) glibc(l *loader, by *object, name string) iter.Seq[place] {
	var all []place
	if by.runpath == "" {
		for o := by; o != nil; o = o.by {
			all = append(all, l.own(o, o.rpath, name)...)
		}
	}
	for _, dir := range separated(s.libraryPath, ":;") {
		if dir, ok := l.expand(by, dir); ok {
			all = append(all, place{filepath.Join(dir, name), false})
		}
	}
	all = append(all, l.own(by, by.runpath, name)...)
	isDefault := func(p place) bool { return slices.Contains(l.fixed, filepath.Dir(p.path)) }
	for _, path := range s.cached(name) {
		p := place{path: path}
		p.fixed = isDefault(p)
		if !by.noDefault || !p.fixed {
			all = append(all, p)
		}
	}
	if !by.noDefault {
		for _, dir := range l.dirs {
			all = append(all, place{filepath.Join(dir, name), true})
		}
	}
	return slices.Values(all)
}

// musl: https://git.musl-libc.org/cgit/musl/tree/ldso/dynlink.c, load_library. Both search
// paths of an object are for its libraries' libraries too.
func (s *search) musl(l *loader, by *object, name string) iter.Seq[place] {
	var all []place
	for _, dir := range muslList(s.libraryPath) {
		all = append(all, place{filepath.Join(dir, name), false})
	}
	for o := by; o != nil; o = o.by {
		all = append(all, l.own(o, o.rpath+o.runpath, name)...) // at most one is set
	}
	for _, dir := range l.dirs {
		all = append(all, place{filepath.Join(dir, name), slices.Contains(l.fixed, dir)})
	}
	return slices.Values(all)
}

// own are the places in an object's own search path.
func (l *loader) own(o *object, path, name string) []place {
	var all []place
	dirs := separated(path, ":")
	if l.musl {
		dirs = muslList(path)
	}
	for _, dir := range dirs {
		expanded, ok := l.expand(o, dir)
		if ok {
			all = append(all, place{filepath.Join(expanded, name), expanded == dir && filepath.IsAbs(dir)})
		} else if l.musl {
			return nil // it ignores the whole
		}
	}
	return all
}

// separated splits a search path by the rules of glibc, where an empty part is the
// current directory.
func separated(path, by string) []string {
	if path == "" {
		return nil
	}
	dirs := strings.Split(path, ":")
	if strings.Contains(by, ";") {
		dirs = strings.Split(strings.ReplaceAll(path, ";", ":"), ":")
	}
	for i, dir := range dirs {
		if dir == "" {
			dirs[i] = "."
		}
	}
	return dirs
}

// expand replaces the variables of an object's search path, and reports whether they have
// a value. musl has $ORIGIN alone; for glibc a word that is no variable stays.
func (l *loader) expand(o *object, text string) (string, bool) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "$")
		b.WriteString(before)
		if !found {
			return b.String(), true
		}
		name, rest := variable(after)
		value, known := l.value(o, name)
		switch {
		case known && value == "" || !known && l.musl:
			return "", false
		case known:
			b.WriteString(value)
		default:
			b.WriteByte('$')
			rest = after
		}
		text = rest
	}
}

// variables are those of search paths.
var variables = []string{"ORIGIN", "PLATFORM", "LIB"}

// variable cuts the name of a variable, with or without braces, from the text after $.
func variable(text string) (name, rest string) {
	for _, name := range variables {
		for _, word := range []string{name, "{" + name + "}"} {
			if rest, ok := strings.CutPrefix(text, word); ok {
				return name, rest
			}
		}
	}
	return "", text
}

// value is what a variable means in an object.
func (l *loader) value(o *object, name string) (value string, known bool) {
	switch {
	case name == "ORIGIN":
		return o.origin, true
	case l.musl:
		return "", false
	case name == "LIB":
		return l.lib(), true
	case name == "PLATFORM":
		return l.platform(), true
	}
	return "", false
}
