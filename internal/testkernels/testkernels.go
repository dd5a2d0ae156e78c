// SPDX-License-Identifier: MIT

// Package testkernels finds kernels for tests by their role there. The versions in an
// archive change every few weeks: a test that names one fails as soon as it is gone,
// though nothing is wrong.
package testkernels

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ringtwin/ringtwin/internal/testutils"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
)

// Role is the purpose of a kernel in a test. One kernel may have several roles.
type Role string

// The roles. Each is a kernel that apt has now.
const (
	// Oldest is the oldest that there is.
	Oldest Role = "OLDEST"
	// Usual is for tests that work with any kernel: the oldest long-term line from 6.1
	// on, so that most tests share its snapshot.
	Usual Role = "USUAL"
	// LongTerm is the newest long-term line.
	LongTerm Role = "LONGTERM"
	// BeforeSplit is the newest whose image and configuration are one package, and
	// AfterSplit the oldest of which they are two.
	BeforeSplit Role = "BEFORESPLIT"
	AfterSplit  Role = "AFTERSPLIT"
	// Newest is the newest that there is.
	Newest Role = "NEWEST"
)

// Roles are all of them, from the oldest kernel to the newest.
func Roles() []Role { return []Role{Oldest, Usual, LongTerm, BeforeSplit, AfterSplit, Newest} }

// Cache is the directory that tests share with the program, or an error if there is none.
func Cache() (string, error) {
	if dir := os.Getenv("RINGTWIN_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "ringtwin"), err
}

// Name is the name of a role's kernel, as 6.1.
func Name(t testing.TB, role Role) string {
	t.Helper()
	names, err := All(t)
	if err != nil {
		t.Fatal(err)
	}
	return names[role]
}

// All are the names of all roles.
func All(t testing.TB) (map[Role]string, error) {
	t.Helper()
	testutils.Kernels(t)
	return all()
}

var all = sync.OnceValues(func() (map[Role]string, error) {
	dir, err := Cache()
	if err != nil {
		return nil, err
	}
	r := kernel.Resolver{Cache: kernel.Cache{Dir: dir}, Places: kernel.PlacesFromEnvironment()}
	lines, err := r.Resolve(context.Background(), "apt:all")
	if err != nil {
		return nil, fmt.Errorf("list kernels for tests: %w", err)
	}
	return assign(lines, longTermOf(lines)), nil
})

// longTermOf are those of the lines that are kept for years, or all where none is.
func longTermOf(lines []kernel.Ref) []kernel.Ref {
	longTerm := slices.DeleteFunc(slices.Clone(lines), func(r kernel.Ref) bool { return !r.Kernel.IsLongTerm() })
	if len(longTerm) == 0 {
		return lines
	}
	return longTerm
}

// assign gives the roles to lines of kernels, and to those of them that are long-term,
// both oldest first and not empty.
func assign(lines, longTerm []kernel.Ref) map[Role]string {
	names := map[Role]string{
		Oldest: nameOf(lines[0]), Newest: nameOf(lines[len(lines)-1]), LongTerm: nameOf(longTerm[len(longTerm)-1]),
	}
	names[Usual] = names[LongTerm]
	if i := slices.IndexFunc(longTerm, func(r kernel.Ref) bool { return r.Kernel.Compare(kernel.Version{Major: 6, Minor: 1}) >= 0 }); i >= 0 {
		names[Usual] = nameOf(longTerm[i])
	}
	// Where all are on one side of the split, its edge is the end of the list.
	split := slices.IndexFunc(lines, func(r kernel.Ref) bool { return strings.HasPrefix(r.Package, "linux-binary-") })
	if split < 0 {
		split = len(lines)
	}
	names[BeforeSplit] = nameOf(lines[max(split-1, 0)])
	names[AfterSplit] = nameOf(lines[min(split, len(lines)-1)])
	return names
}

// NameOf is what the kernel of a role is called among lines, oldest first.
func NameOf(lines []kernel.Ref, role Role) string { return assign(lines, longTermOf(lines))[role] }

// Assigned are the names of those among lines, oldest first, that have a role.
func Assigned(lines []kernel.Ref) map[string]bool {
	named := map[string]bool{}
	for _, name := range assign(lines, longTermOf(lines)) {
		named[name] = true
	}
	return named
}

func nameOf(r kernel.Ref) string { return strings.TrimPrefix(r.Name, "apt:") }

// Bundle fetches a kernel by name, with its modules or without.
func Bundle(t testing.TB, name string, modules bool) *kernel.Bundle {
	t.Helper()
	testutils.Kernels(t)
	dir, err := Cache()
	if err != nil {
		t.Fatal(err)
	}
	r := kernel.Resolver{Cache: kernel.Cache{Dir: dir}, Places: kernel.PlacesFromEnvironment(), Modules: modules}
	b, err := r.Find(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
