// SPDX-License-Identifier: MIT

package kernel

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// source is a place that has kernels of many versions.
type source interface {
	// where says in a few words where list looks.
	where() string
	// list returns the kernels in any order, at most maxAge old; a source that keeps no
	// lists queries each time. Fields that pin fills in may be missing. With an error,
	// the refs are those that could be read nevertheless.
	list(ctx context.Context, arch string, maxAge time.Duration) ([]Ref, error)
	// pin names a kernel exactly. The error is errIncomplete where the source
	// has no such kernel after all.
	pin(ctx context.Context, ref Ref) (Ref, error)
	// fetch puts the files of a pinned kernel into an empty directory.
	fetch(ctx context.Context, ref Ref, dir string) (*Bundle, error)
}

// Source is a place that has kernels of many versions. A new one needs an entry in the
// table and a file with its implementation.
type Source struct {
	// Name is the prefix before a version and a colon: mainline:6.5.
	Name string
	// Example is a name of one of its kernels, and Text what they are, in Markdown.
	Example, Text string

	// namesImages means that a name need not be a version: the source interprets it.
	namesImages bool
	// keepsLists means that its lists may be old, and are read again if they lack a
	// version.
	keepsLists bool
	open       func(Resolver) source
}

// sources are in the order in which a bare version asks them.
var sources = []Source{
	{
		Name: "apt", Example: "apt:6.1", keepsLists: true,
		Text: "Debian's archive, bullseye to sid with the backports; on Ubuntu, Ubuntu's",
		open: func(r Resolver) source {
			return &apt{cache: r.Cache, root: r.Places.apt(), phase: r.phase(), modules: r.Modules}
		},
	},
	{
		Name: "mainline", Example: "mainline:6.5",
		Text: "Ubuntu's [mainline builds](https://kernel.ubuntu.com/mainline/): the newest patch level that was built completely; on every distribution",
		open: func(r Resolver) source {
			return &mainline{get: r.client(), places: r.Places, modules: r.Modules}
		},
	},
	{
		Name: "oci", Example: "oci:6.6", namesImages: true,
		Text: "images with `/boot/vmlinuz` or `/data/kernels/*/boot/vmlinuz-*`; Docker is not needed",
		open: func(r Resolver) source {
			return &registry{client: r.httpClient(), phase: r.phase(), repository: r.Places.repository(), modules: r.Modules}
		},
	},
}

// Sources are all of them, in the order in which a bare version asks them.
func Sources() []Source { return slices.Clone(sources) }

// SourceNames are their names.
func SourceNames() []string {
	var names []string
	for _, s := range sources {
		names = append(names, s.Name)
	}
	return names
}

// sourceNamed is the source of that name, or the zero value.
func sourceNamed(name string) Source {
	for _, s := range sources {
		if s.Name == name {
			return s
		}
	}
	return Source{}
}

// source opens the source of that name.
func (r Resolver) source(name string) (source, error) {
	s := sourceNamed(name)
	if s.open == nil {
		return nil, fmt.Errorf("source %q: want one of %s", name, strings.Join(SourceNames(), ", "))
	}
	return s.open(r), nil
}
