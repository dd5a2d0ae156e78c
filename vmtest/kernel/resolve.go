// SPDX-License-Identifier: MIT

package kernel

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/ringtwin/ringtwin/vmtest/flock"
)

// Resolver finds kernels and fetches them.
type Resolver struct {
	Cache Cache
	// Phase receives the current phase, in a few words. It may be nil.
	Phase func(string)
	// Lock rejects every kernel that is not in it, or that differs from it. nil: none is
	// rejected.
	Lock *Lock
	// Offline uses no source: only kernels in the cache are found.
	Offline bool
	// Modules asks for the kernel's modules too, where the source has them.
	Modules bool
	// The locations of the sources. The zero value is those on the Internet.
	Places Places
}

// Ref is one kernel that exists, and is not fetched yet. It never changes.
type Ref struct {
	Name     string  `json:"name"`               // as the user knows it: 6.1, mainline:6.5+generic, the path of an image
	Source   string  `json:"source"`             // apt, mainline, oci, file, tree, host
	Kernel   Version `json:"kernel"`             // upstream, as far as known
	Flavour  string  `json:"flavour,omitempty"`  // cloud, rt, generic
	Arch     string  `json:"arch"`               // as Go calls it
	Package  string  `json:"package"`            // what the source calls it: name=version, the path of a package, an image with its digest, a file
	Revision string  `json:"revision,omitempty"` // orders packages of one version
	SHA256   string  `json:"sha256,omitempty"`   // of the image, where it has to be this one

	// unresolved keeps the error that Fetch returns.
	unresolved error
}

// Names are those of the kernels, in their order.
func Names(refs []Ref) []string {
	names := make([]string, len(refs))
	for i, ref := range refs {
		names[i] = ref.Name
	}
	return names
}

// Unresolved is a kernel whose existence could not be determined. Fetching it returns the
// error.
func Unresolved(name string, err error) Ref { return Ref{Name: name, unresolved: err} }

// Unresolved is the error of a kernel whose existence could not be determined, or that
// does not exist; nil of any other.
func (r Ref) Unresolved() error { return r.unresolved }

// errIncomplete is a version that is listed but not available.
var errIncomplete = errors.New("not complete")

// errVanished is a kernel that was listed, and that the source no longer has.
var errVanished = errors.New("is gone from the archive")

// maxBack is how many patch levels a source may lack before a line counts as
// missing: builds fail now and then.
const maxBack = 10

func (r Resolver) phase() func(string) {
	if r.Phase == nil {
		return func(string) {}
	}
	return r.Phase
}

func (r Resolver) client() *downloader {
	return &downloader{client: r.httpClient(), dir: r.Cache.downloads(), phase: r.phase()}
}

// httpClient gives up on a host that does not answer; it does not limit the time of a body.
func (r Resolver) httpClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = answerTimeout
	return &http.Client{Transport: transport}
}

const answerTimeout = 20 * time.Second

// Resolve returns the kernels that the user means, without fetching any. The text is a
// version (6.1, 6.1.192) or a pattern of versions (see [expand]), each with an optional
// source before it (mainline:6.5) and flavour or architecture after it (6.1+rt); an image
// in a registry (oci:NAME); "host"; or the path of an image or of a built tree. The error
// is a [*NotFoundError] if no source has the version, and wraps [ErrNotNamed] if the text
// is none of these.
func (r Resolver) Resolve(ctx context.Context, want string) ([]Ref, error) {
	q, err := parseQuery(want)
	switch {
	case err != nil:
		return nil, err
	case q.isLocal():
		if r.Lock != nil {
			return nil, fmt.Errorf("%w: %s: only what is in %s may be used, and that has kernels of archives only", ErrNotNamed, want, r.Lock.Name)
		}
		return []Ref{{Name: q.localName(), Source: q.source, Arch: q.arch, Package: q.pattern}}, nil
	case r.Lock != nil:
		return r.Lock.find(q)
	case r.Offline:
		return r.offline(q)
	case !isVersions(q.pattern):
		return r.image(ctx, q)
	}
	return r.versions(ctx, q)
}

// image is an image that was named in full.
func (r Resolver) image(ctx context.Context, q query) ([]Ref, error) {
	s, err := r.source(q.source)
	if err != nil {
		return nil, err
	}
	ref, err := s.pin(ctx, Ref{Name: q.text, Source: q.source, Arch: q.arch, Package: q.pattern})
	if errors.Is(err, errIncomplete) {
		return nil, fmt.Errorf("%w: %s: the registry has no such image", ErrNotNamed, q.text)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", q.text, err)
	}
	return []Ref{ref}, nil
}

// versions queries the sources in order. A pattern has one source, by default the first:
// otherwise it would match the kernels of all.
func (r Resolver) versions(ctx context.Context, q query) ([]Ref, error) {
	names := []string{q.source}
	if q.source == "" {
		names = SourceNames()
		if isPattern(q.pattern) {
			names = names[:1]
		}
	}
	missing := &NotFoundError{Want: q.text}
	for _, name := range names {
		refs, err := r.versionsOf(ctx, name, q, missing)
		if err != nil {
			return nil, err
		}
		if len(refs) > 0 {
			return refs, nil
		}
	}
	if len(missing.Have) == 0 && len(missing.Flavours) == 0 && len(missing.problems) > 0 {
		return nil, fmt.Errorf("kernel %s: %w", q.text, errors.Join(missing.problems...))
	}
	return nil, missing
}

// versionsOf returns what one source has. Reasons for what it lacks go into missing.
func (r Resolver) versionsOf(ctx context.Context, name string, q query, missing *NotFoundError) ([]Ref, error) {
	s, err := r.source(name)
	if err != nil {
		return nil, err
	}
	have, err := s.list(ctx, q.arch, listsAge)
	if sourceNamed(name).keepsLists && err == nil && len(expand(have, q)) == 0 {
		have, err = s.list(ctx, q.arch, retryAge) // it may have come since
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		missing.problems = append(missing.problems, fmt.Errorf("%s: %w", name, err))
	}
	if err != nil && len(have) == 0 {
		missing.unread = append(missing.unread, name)
	} else {
		missing.Looked = append(missing.Looked, s.where())
	}
	var refs []Ref
	for _, c := range expand(have, q) {
		ref, err := firstComplete(ctx, s, c.candidates)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			missing.problems = append(missing.problems, fmt.Errorf("%s: %w", name, err))
			continue
		}
		ref.Name = q.named(c.version)
		refs = append(refs, ref)
	}
	missing.has(have, q)
	return refs, nil
}

// firstComplete pins the best candidate that is available.
func firstComplete(ctx context.Context, s source, candidates []Ref) (Ref, error) {
	var err error
	for _, ref := range candidates[:min(len(candidates), 1+maxBack)] {
		if ref, err = s.pin(ctx, ref); !errors.Is(err, errIncomplete) {
			return ref, err
		}
	}
	return Ref{}, err
}

// Fetch makes the kernel ready to boot, from the cache where it is there.
func (r Resolver) Fetch(ctx context.Context, ref Ref) (*Bundle, error) {
	if ref.unresolved != nil {
		return nil, ref.unresolved
	}
	var b *Bundle
	var err error
	switch ref.Source {
	case sourceFile:
		b, err = fromFile(ref.Package)
	case sourceTree:
		b, err = fromTree(ref.Package)
	case sourceHost:
		b, err = fromHost(r.Places.root())
	default:
		b, err = r.fetch(ctx, ref)
		if errors.Is(err, errVanished) {
			b, err = r.fetchSuccessor(ctx, ref, err)
		}
	}
	if err != nil {
		return nil, err
	}
	b.Want = ref.Name
	return b, nil
}

// fetchSuccessor fetches the kernel that the name means now, unless it must be the one
// that vanished.
func (r Resolver) fetchSuccessor(ctx context.Context, ref Ref, gone error) (*Bundle, error) {
	if ref.SHA256 != "" || r.Lock != nil {
		return nil, gone
	}
	refs, err := r.Resolve(ctx, ref.Name)
	switch {
	case errors.Is(err, ErrNotNamed):
		return nil, gone // the name is one that this run made up
	case err != nil:
		return nil, fmt.Errorf("%w\n%w", gone, err)
	case len(refs) != 1 || refs[0].Package == ref.Package:
		return nil, gone
	}
	r.phase()(fmt.Sprintf("%s %v: %s is taken", ref.Package, errVanished, refs[0].Package))
	return r.fetch(ctx, refs[0])
}

// fetch returns a kernel from the cache, and downloads it first if needed.
func (r Resolver) fetch(ctx context.Context, ref Ref) (*Bundle, error) {
	fits := func(b *Bundle, err error) bool {
		return err == nil && (!r.Modules || b.Modules != "") && (ref.SHA256 == "" || b.SHA256 == ref.SHA256)
	}
	if b, err := r.Cache.byRef(ref); fits(b, err) {
		return b, nil
	}
	if ref.SHA256 != "" {
		if b, err := r.Cache.bySum(ref.SHA256); fits(b, err) {
			return b, nil
		}
	}
	if r.Offline {
		return nil, fmt.Errorf("kernel %s (%s) is not in the cache, and --offline leaves %s alone", ref.Name, ref.Package, ref.Source)
	}
	unlock, err := flock.Lock(ctx, r.Cache.lockPath(ref), func() { r.phase()("wait for another process that fetches this kernel") })
	if err != nil {
		return nil, err
	}
	defer unlock()
	if b, err := r.Cache.byRef(ref); fits(b, err) {
		return b, nil // whoever held the lock has fetched it
	}
	b, err := r.Cache.make(ctx, ref, func(dir string) (*Bundle, error) {
		if err := checkSpace(r.Cache.Dir, kernelBytes); err != nil {
			return nil, err
		}
		s, err := r.source(ref.Source)
		if err != nil {
			return nil, err
		}
		return s.fetch(ctx, ref, dir)
	})
	if err != nil {
		return nil, fmt.Errorf("fetch kernel: %w", err)
	}
	if ref.SHA256 != "" && b.SHA256 != ref.SHA256 {
		return nil, fmt.Errorf("fetch kernel: %s is not what was locked: its image has SHA-256 %s, not %s", ref.Package, b.SHA256, ref.SHA256)
	}
	if r.Modules && b.Modules == "" {
		return nil, fmt.Errorf("fetch kernel: %s has no modules", ref.Package)
	}
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

// List returns what the sources have now, by source, oldest first, and the reasons why
// some could not be queried.
func (r Resolver) List(ctx context.Context, arch string, sources ...string) (refs []Ref, problems []error) {
	for _, name := range sources {
		var have []Ref
		s, err := r.source(name)
		if err == nil {
			have, err = s.list(ctx, arch, listsAge)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
		}
		slices.SortStableFunc(have, Ref.compare)
		refs = append(refs, have...)
	}
	return refs, problems
}
