// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"fmt"
	"runtime"

	"github.com/ringtwin/ringtwin/internal/progress"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
)

// kernelsCmd manages kernels without booting any.
type kernelsCmd struct {
	List  kernelsListCmd  `cmd:"" default:"withargs" help:"List the kernels that a source has now, or that the names match. This is the default command."`
	Fetch kernelsFetchCmd `cmd:"" help:"Fetch kernels into the cache."`
	Lock  kernelsLockCmd  `cmd:"" help:"Fetch kernels and pin them in the lock file."`
	Prune kernelsPruneCmd `cmd:"" help:"Remove the least recently used files from the cache."`
}

type kernelsListCmd struct {
	Kernels []string `arg:"" optional:"" name:"kernel" help:"Names, versions or patterns. Default: all kernels of the source."`
	Source  string   `default:"apt" enum:"${sources}" help:"Source to list: ${enum}. Default: ${default}."`
	Arch    string   `help:"Architecture, such as amd64 or arm64. Default: this machine's." placeholder:"ARCH"`
	JSON    bool     `name:"json" help:"Print JSON, one object per line."`
	kernelFlags
}

// Run prints the list.
func (l *kernelsListCmd) Run(e *env) error {
	show := progress.New(e.stderr)
	defer show.End()
	resolver, err := l.resolver(func(text string) { show.Phase("kernels", text) })
	if err != nil {
		return err
	}
	lines, problems, err := resolver.Listed(e.ctx, l.Kernels, cmp.Or(l.Arch, runtime.GOARCH), l.Source)
	show.Done("kernels", "")
	e.explain("", problems...)
	if err != nil {
		return mistake(err)
	}
	return kernel.WriteList(e.stdout, lines, l.JSON)
}

type kernelsFetchCmd struct {
	Kernels []string `arg:"" name:"kernel" help:"Names, versions or patterns, as for vmtest."`
	Modules bool     `help:"Fetch their modules too."`
	kernelFlags
}

// Run fetches kernels, and prints the path of each image.
func (f *kernelsFetchCmd) Run(e *env) error {
	return f.fetch(e, f.Kernels, f.Modules, func(_ kernel.Ref, b *kernel.Bundle) error {
		_, err := fmt.Fprintf(e.stdout, "%s  %s  %s\n", b.Want, cmp.Or(b.Release, "-"), b.Image)
		return err
	})
}

// fetch fetches kernels one after the other and passes each to take.
func (f *kernelFlags) fetch(e *env, wants []string, modules bool, take func(kernel.Ref, *kernel.Bundle) error) error {
	show := progress.New(e.stderr)
	defer show.End()
	resolver, err := f.resolver(nil)
	if err != nil {
		return err
	}
	resolver.Modules = modules
	return mistake(vmtest.FetchAll(e.ctx, resolver, show, wants, func(ref kernel.Ref, b *kernel.Bundle) error {
		show.End() // take may write to the same terminal
		return take(ref, b)
	}))
}

type kernelsLockCmd struct {
	Kernels  []string `arg:"" name:"kernel" help:"Names, versions or patterns, as for vmtest."`
	LockFile string   `default:"kernels.lock" help:"Lock file. Its other entries stay, entries with the same name are replaced. Default: ${default}." placeholder:"FILE"`
}

// Run fetches the kernels, for the SHA-256 of their images, and writes the lock.
func (l *kernelsLockCmd) Run(e *env) error {
	lock, err := kernel.OpenLockFile(l.LockFile)
	if err != nil {
		return usageError{err}
	}
	if err := (&kernelFlags{}).fetch(e, l.Kernels, false, lock.Add); err != nil {
		return err
	}
	if err := lock.WriteFile(l.LockFile); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%s\n", l.LockFile)
	return err
}

type kernelsPruneCmd struct {
	Keep string `xor:"what" help:"Size that may stay, such as 500M or 2G." placeholder:"SIZE"`
	All  bool   `xor:"what" help:"Remove everything."`
}

// Run removes what exceeds the size.
func (p *kernelsPruneCmd) Run(e *env) error {
	cache, err := vmtest.CacheDir()
	if err != nil {
		return err
	}
	keep, err := vmtest.Keep(cache, p.Keep, p.All)
	if err != nil {
		return usageError{err}
	}
	freed, err := vmtest.Prune(cache, keep)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%d MiB removed from %s\n", freed>>20, cache)
	return err
}
