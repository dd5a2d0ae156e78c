// SPDX-License-Identifier: MIT

package kernel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// listsAge is how old the package lists may be before they are read again.
const listsAge = 24 * time.Hour

// retryAge is the age at which they are read again for a version that they lack.
const retryAge = 10 * time.Minute

// forever is an age that no list reaches.
const forever = 1 << 62

// indexFormat is the version of the index format: other versions are not read.
const indexFormat = 3

// index is the content of the package lists.
type index struct {
	Format int      `json:"format"` // indexFormat
	Suites []string `json:"suites"` // that were read
	// Problem is why some lists could not be read, or "".
	Problem  string    `json:"problem,omitempty"`
	Packages []Package `json:"packages"`

	age time.Duration
}

// list is what the package lists have.
func (a *apt) list(ctx context.Context, arch string, maxAge time.Duration) ([]Ref, error) {
	idx, err := a.of(arch).load(ctx, maxAge)
	if err != nil {
		return nil, err
	}
	var refs []Ref
	for _, p := range idx.Packages {
		refs = append(refs, Ref{
			Source: "apt", Kernel: p.Kernel, Flavour: p.Flavour, Arch: arch,
			Package: p.Name + "=" + p.Version, Revision: p.Version,
		})
	}
	if idx.Problem != "" {
		err = errors.New(idx.Problem)
	}
	return refs, err
}

func (a *apt) where() string {
	if idx := a.readIndex(); idx != nil && len(idx.Suites) > 0 {
		return "apt (" + strings.Join(idx.Suites, ", ") + ")"
	}
	return "apt"
}

// pin has nothing to do: what is in a list is in the archive.
func (a *apt) pin(_ context.Context, ref Ref) (Ref, error) { return ref, nil }

func (a *apt) indexPath() string { return filepath.Join(a.dir(), "index.json") }

// load returns the index, read again if it is older than maxAge. If there is an old one,
// an unreachable archive is not an error.
func (a *apt) load(ctx context.Context, maxAge time.Duration) (*index, error) {
	old := a.readIndex()
	if old != nil && old.age < maxAge {
		return old, nil
	}
	unlock, err := a.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	// The previous holder of the lock may have done it.
	if now := a.readIndex(); now != nil && now.age < maxAge {
		return now, nil
	}
	fresh, err := a.update(ctx)
	if err != nil && old != nil && ctx.Err() == nil {
		a.phase(fmt.Sprintf("package lists of %s are used: %v", old.age.Round(time.Minute), err))
		return old, nil
	}
	return fresh, err
}

func (a *apt) readIndex() *index {
	info, err := os.Stat(a.indexPath())
	if err != nil {
		return nil
	}
	idx := &index{age: max(time.Since(info.ModTime()), 0)}
	if readJSON(a.indexPath(), idx) != nil || idx.Format != indexFormat {
		return nil
	}
	if idx.Problem != "" && idx.age > retryAge {
		idx.age = max(idx.age, listsAge) // what was missing may be there now
	}
	return idx
}

// update fetches the package lists and reads the kernels out of them.
func (a *apt) update(ctx context.Context) (*index, error) {
	all, err := machineSources(a.root)
	if err != nil {
		return nil, err
	}
	text, offered := isolatedSources(all)
	if len(offered) == 0 {
		return nil, errors.New("this machine's apt has no mirror of Debian or Ubuntu: on this system give a kernel by path, or as mainline:6.5")
	}
	if err := os.WriteFile(filepath.Join(a.dir(), "ringtwin.sources"), []byte(text), 0o644); err != nil {
		return nil, err
	}
	if err := checkSpace(a.cache.Dir, listsBytes); err != nil {
		return nil, err
	}
	a.phase("read package lists")
	// A suite that no longer exists fails the update, but not the other suites.
	_, updateErr := a.run(ctx, a.dir(), "apt-get", "update", "-q")
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	idx, err := a.readLists(ctx)
	if err != nil {
		return nil, errors.Join(updateErr, err)
	}
	if len(idx.Packages) == 0 {
		return nil, errors.Join(updateErr, errors.New("no kernel in any package list"))
	}
	if updateErr != nil {
		idx.Problem = updateErr.Error()
		a.phase("package lists could not all be read: " + idx.Problem)
	}
	return idx, writeJSON(a.indexPath(), idx)
}

func (a *apt) readLists(ctx context.Context) (*index, error) {
	targets, err := a.run(ctx, a.dir(), "apt-get", "indextargets", "--format", "$(FILENAME)\t$(RELEASE)", "Created-By: Packages")
	if err != nil {
		return nil, err
	}
	idx := &index{Format: indexFormat}
	for line := range strings.Lines(targets) {
		file, suite, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if file == "" {
			continue
		}
		packages, err := a.readList(ctx, file, suite)
		if err != nil {
			return nil, fmt.Errorf("read package list of %s: %w", suite, err)
		}
		idx.Suites = append(idx.Suites, suite)
		idx.Packages = append(idx.Packages, packages...)
	}
	return idx, nil
}

// readList has apt decompress the list: it chose how to keep it.
func (a *apt) readList(ctx context.Context, file, suite string) ([]Package, error) {
	cmd := exec.CommandContext(ctx, "/usr/lib/apt/apt-helper", "cat-file", file)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	packages, err := readPackages(out, suite)
	_, drain := io.Copy(io.Discard, out)
	return packages, errors.Join(err, drain, cmd.Wait())
}
