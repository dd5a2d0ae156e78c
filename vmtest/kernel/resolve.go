package kernel

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Resolver finds kernels.
type Resolver struct {
	Cache Cache
	// Phase is told what is being done, in a few words. It may be nil.
	Phase func(string)
}

// Ref is one kernel that exists, and is not fetched yet.
type Ref struct {
	// Name is how the user knows it: 6.1, 6.1.192, or the name of a file.
	Name string

	pkg  Package
	path string // of an image; then there is no package
	err  error  // of resolving
}

// Unresolved is a kernel of which it could not be found out whether it exists.
// Fetching it returns the error.
func Unresolved(name string, err error) Ref { return Ref{Name: name, err: err} }

// ErrNotNamed is returned for text that names no kernel.
var ErrNotNamed = errors.New("not a kernel")

var bareVersion = regexp.MustCompile(`^\d+\.\d+(\.\d+)?$`)

// Resolve returns the kernels that the user means, without fetching any: a
// version (6.1, 6.1.192), a pattern of versions (see [expand]), or the path of
// an image. The error is a [*NotFoundError] where no source has the version,
// and wraps [ErrNotNamed] where the text is none of these.
func (r Resolver) Resolve(ctx context.Context, want string) ([]Ref, error) {
	info, statErr := os.Stat(want)
	switch {
	case bareVersion.MatchString(want), isPattern(want):
		return r.resolveVersions(ctx, want)
	case statErr == nil && info.Mode().IsRegular():
		return []Ref{{Name: filepath.Base(want), path: want}}, nil
	case statErr == nil:
		return nil, fmt.Errorf("%w: %s is not a regular file", ErrNotNamed, want)
	case strings.ContainsRune(want, filepath.Separator):
		return nil, fmt.Errorf("%w: %w", ErrNotNamed, statErr)
	}
	return nil, fmt.Errorf("%w: %q: want a version like 6.1 or 6.1.192, a pattern like 6.*, 5.10..6.12, all, latest or lts, or the path of an image", ErrNotNamed, want)
}

// Fetch makes the kernel ready to boot, from the cache where it is there.
func (r Resolver) Fetch(ctx context.Context, ref Ref) (*Bundle, error) {
	if ref.err != nil {
		return nil, ref.err
	}
	var b *Bundle
	var err error
	if ref.path != "" {
		b, err = fromFile(ref.path)
	} else {
		b, err = r.apt().fetch(ctx, ref.pkg)
	}
	if err != nil {
		return nil, err
	}
	b.Want = ref.Name
	return b, nil
}

// Find resolves and fetches exactly one kernel.
func (r Resolver) Find(ctx context.Context, want string) (*Bundle, error) {
	refs, err := r.Resolve(ctx, want)
	if err != nil {
		return nil, err
	}
	if len(refs) != 1 {
		return nil, fmt.Errorf("%w: %s means %d kernels", ErrNotNamed, want, len(refs))
	}
	return r.Fetch(ctx, refs[0])
}

func (r Resolver) apt() *apt {
	phase := r.Phase
	if phase == nil {
		phase = func(string) {}
	}
	return &apt{cache: r.Cache, root: "/", phase: phase}
}

func (r Resolver) resolveVersions(ctx context.Context, want string) ([]Ref, error) {
	a := r.apt()
	idx, err := a.load(ctx, listsAge)
	if err != nil {
		return nil, err
	}
	refs := expand(idx.Packages, want)
	if len(refs) == 0 && idx.age > retryAge {
		// It may have come since the lists were read.
		if idx, err = a.load(ctx, retryAge); err != nil {
			return nil, err
		}
		refs = expand(idx.Packages, want)
	}
	if len(refs) == 0 {
		return nil, notFound(idx, want)
	}
	return refs, nil
}

// flavour is what is booted: built for virtual machines, and small.
const flavour = "cloud"

// newest picks the newest package of a version or of a line.
func newest(packages []Package, want string) (best Package, found bool) {
	version, ok := parseVersion(want)
	if !ok {
		return best, false
	}
	wholeLine := strings.Count(want, ".") == 1
	for _, p := range packages {
		if p.Flavour != flavour {
			continue
		}
		match := p.Kernel == version
		if wholeLine {
			match = p.Kernel.Line() == version.Line()
		}
		if match && (!found || p.newer(best)) {
			best, found = p, true
		}
	}
	return best, found
}

// newer compares the upstream versions, and then the revisions of the packages.
func (p Package) newer(o Package) bool {
	return cmp.Or(p.Kernel.Compare(o.Kernel), compareDebian(p.Version, o.Version)) > 0
}

func notFound(idx *index, want string) error {
	e := &NotFoundError{Want: want, Problem: idx.Problem}
	for _, suite := range idx.Suites {
		e.Looked = append(e.Looked, "Debian "+suite)
	}
	var have []Version
	for _, p := range idx.Packages {
		if p.Flavour == flavour {
			have = append(have, p.Kernel)
		}
	}
	e.Have = newestOfLines(have)
	return e
}

// fromFile takes an image as it is. Whether it boots, the machine will tell.
func fromFile(path string) (*Bundle, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	sum, err := sumFile(path)
	if err != nil {
		return nil, fmt.Errorf("read kernel image: %w", err)
	}
	b := &Bundle{Source: "file", SHA256: sum, Image: path, Release: imageRelease(path)}
	// Distributions put the configuration beside the image.
	config := strings.Replace(filepath.Base(path), "vmlinuz", "config", 1)
	if text, err := os.ReadFile(filepath.Join(filepath.Dir(path), config)); err == nil && config != filepath.Base(path) {
		b.Config = parseConfig(text)
	}
	return b, nil
}

// imageRelease reads the release out of an x86 boot header, or returns "".
// https://docs.kernel.org/arch/x86/boot.html#the-real-mode-kernel-header
func imageRelease(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	const magicAt, pointerAt, pointerBase = 0x202, 0x20e, 0x200
	var header [0x210]byte
	if _, err := file.ReadAt(header[:], 0); err != nil || string(header[magicAt:magicAt+4]) != "HdrS" {
		return ""
	}
	var text [256]byte
	n, _ := file.ReadAt(text[:], int64(binary.LittleEndian.Uint16(header[pointerAt:]))+pointerBase)
	line, _, _ := bytes.Cut(text[:n], []byte{0})
	release, _, _ := strings.Cut(string(line), " ")
	return release
}
