// SPDX-License-Identifier: MIT

package kernel

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/vmtest/atomicfile"
)

// Lock pins exact kernels, so that they are the same everywhere and forever. Its text is
// one line a kernel,
//
//	name version source package sha256
//
// with the SHA-256 of the image, and comments after a #.
type Lock struct {
	Name string // of the file, for messages
	refs []Ref
}

// maxLockLine bounds a line of a lock file in bytes.
const maxLockLine = 4096

var sha256Text = regexp.MustCompile(`^[0-9a-f]{64}$`)

// ReadLock reads a lock file. Errors name the line.
func ReadLock(name string, r io.Reader) (*Lock, error) {
	lock := &Lock{Name: name}
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxLockLine)
	number := 0
	for scanner.Scan() {
		number++
		line, _, _ := strings.Cut(scanner.Text(), "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		ref, err := readLockLine(fields)
		if err == nil && lock.index(ref.Name) >= 0 {
			err = fmt.Errorf("%s is there twice", ref.Name)
		}
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", name, number, err)
		}
		lock.refs = append(lock.refs, ref)
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("%s, line %d: %w", name, number+1, err)
	}
	return lock, nil
}

func readLockLine(fields []string) (Ref, error) {
	if len(fields) != 5 {
		return Ref{}, fmt.Errorf("%d fields, want 5: name version source package sha256", len(fields))
	}
	q, err := parseQuery(fields[0])
	if err != nil {
		return Ref{}, err
	}
	ref := Ref{Name: fields[0], Source: fields[2], Arch: q.arch, Flavour: q.flavour, Package: fields[3], SHA256: fields[4]}
	if q.isLocal() || isPattern(q.pattern) {
		return ref, fmt.Errorf("%s is not one kernel of an archive", ref.Name)
	}
	var ok bool
	if ref.Kernel, ok = parseVersion(fields[1]); !ok && fields[1] != noVersion {
		return ref, fmt.Errorf("%q is no version", fields[1])
	}
	if sourceNamed(ref.Source).open == nil {
		return ref, fmt.Errorf("%q is no source", ref.Source)
	}
	if !sha256Text.MatchString(ref.SHA256) {
		return ref, fmt.Errorf("%q is no SHA-256", ref.SHA256)
	}
	return ref, nil
}

// noVersion stands for a version that is not known.
const noVersion = "-"

// Text formats the lock for its file, sorted by version.
func (l *Lock) Text() string {
	var b strings.Builder
	b.WriteString("# Kernels by name: what they are exactly. Written by: ringtwin kernels lock\n")
	b.WriteString("# name version source package sha256\n")
	refs := slices.Clone(l.refs)
	slices.SortStableFunc(refs, func(a, b Ref) int {
		if order := a.Kernel.Compare(b.Kernel); order != 0 {
			return order
		}
		return strings.Compare(a.Name, b.Name)
	})
	for _, r := range refs {
		version := r.Kernel.String()
		if r.Kernel == (Version{}) {
			version = noVersion
		}
		fmt.Fprintf(&b, "%s %s %s %s %s\n", r.Name, version, r.Source, r.Package, r.SHA256)
	}
	return b.String()
}

// Add locks a fetched kernel, in place of the one with its name. A local kernel, which is
// in no archive, cannot be locked.
func (l *Lock) Add(ref Ref, b *Bundle) error {
	if (query{source: ref.Source}).isLocal() {
		return fmt.Errorf("%w of an archive: %s: a file is the same only here", ErrNotNamed, ref.Name)
	}
	ref.SHA256 = b.SHA256
	if ref.Kernel == (Version{}) {
		ref.Kernel, _ = parseVersion(b.Release)
	}
	if i := l.index(ref.Name); i >= 0 {
		l.refs[i] = ref
		return nil
	}
	l.refs = append(l.refs, ref)
	return nil
}

func (l *Lock) index(name string) int {
	return slices.IndexFunc(l.refs, func(r Ref) bool { return r.Name == name })
}

// find returns the entries of the lock for a name, or for the names that match a pattern.
func (l *Lock) find(q query) ([]Ref, error) {
	if i := l.index(q.text); i >= 0 {
		return []Ref{l.refs[i]}, nil
	}
	var refs []Ref
	if isPattern(q.pattern) {
		have := slices.DeleteFunc(slices.Clone(l.refs), func(r Ref) bool { return q.source != "" && r.Source != q.source })
		for _, c := range expand(have, q) {
			c.candidates[0].Name = q.named(c.version)
			refs = append(refs, c.candidates[0])
		}
	}
	if len(refs) == 0 {
		return nil, fmt.Errorf("%w: %s is not in %s, and nothing else may be used: ringtwin kernels lock %s adds it", ErrNotNamed, q.text, l.Name, q.text)
	}
	return refs, nil
}

// ReadLockFile reads a lock file.
func ReadLockFile(path string) (*Lock, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return ReadLock(path, file)
}

// OpenLockFile reads a lock file, or returns an empty lock if there is none.
func OpenLockFile(path string) (*Lock, error) {
	lock, err := ReadLockFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &Lock{Name: path}, nil
	}
	return lock, err
}

// WriteFile writes the lock atomically.
func (l *Lock) WriteFile(path string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write lock file: %w", err)
		}
	}()
	file, err := atomicfile.Create(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.WriteString(l.Text()); err != nil {
		return err
	}
	if err := file.Chmod(0o644); err != nil {
		return err
	}
	return file.Replace(path)
}
