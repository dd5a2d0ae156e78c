// SPDX-License-Identifier: MIT

package kernel

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// registry has kernels as images, as those who test over many kernels publish
// them. Two layouts are known:
//
//	/boot/vmlinuz                            ghcr.io/cilium/ci-kernels
//	/data/kernels/VERSION/boot/vmlinuz-V     quay.io/lvh-images/kernel-images
type registry struct {
	client     *http.Client
	phase      func(string)
	repository string // whose tags are versions
	modules    bool
}

func (g *registry) where() string { return "images " + g.repository }

func (g *registry) options(ctx context.Context, arch string) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx), remote.WithTransport(g.client.Transport), remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithPlatform(v1.Platform{OS: "linux", Architecture: arch}),
		remote.WithUserAgent("ringtwin"),
	}
}

// list returns the tags that are versions.
func (g *registry) list(ctx context.Context, arch string, _ time.Duration) ([]Ref, error) {
	repository, err := name.NewRepository(g.repository)
	if err != nil {
		return nil, err
	}
	g.phase("read the tags of " + g.repository)
	tags, err := remote.List(repository, g.options(ctx, arch)...)
	if err != nil {
		return nil, err
	}
	return taggedVersions(g.repository, tags, arch), nil
}

func taggedVersions(repository string, tags []string, arch string) []Ref {
	var refs []Ref
	for _, tag := range tags {
		if !bareVersion.MatchString(tag) {
			continue
		}
		if kernel, ok := parseVersion(tag); ok {
			refs = append(refs, Ref{Source: sourceOCI, Kernel: kernel, Arch: arch, Package: repository + ":" + tag})
		}
	}
	return refs
}

// pin replaces the tag, which can move, by the digest.
func (g *registry) pin(ctx context.Context, ref Ref) (Ref, error) {
	image, err := name.ParseReference(ref.Package)
	if err != nil {
		return ref, fmt.Errorf("%w: %w", ErrNotNamed, err)
	}
	g.phase("ask for " + ref.Package)
	head, err := remote.Get(image, g.options(ctx, ref.Arch)...)
	var answer *transport.Error
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return ref, fmt.Errorf("%s: %w", ref.Package, errIncomplete)
	}
	if err != nil {
		return ref, err
	}
	if tag, ok := image.(name.Tag); ok && ref.Kernel == (Version{}) {
		ref.Kernel, _ = parseVersion(tag.TagStr())
	}
	ref.Package = image.Context().Name() + "@" + head.Digest.String()
	return ref, nil
}

// fetch takes the kernel's files out of the image's layers.
func (g *registry) fetch(ctx context.Context, ref Ref, dir string) (*Bundle, error) {
	reference, err := name.ParseReference(ref.Package)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotNamed, err)
	}
	g.phase("fetch " + ref.Package)
	image, err := remote.Image(reference, g.options(ctx, ref.Arch)...)
	if err != nil {
		return nil, err
	}
	layers, err := image.Layers()
	if err != nil {
		return nil, err
	}
	u := &imageUnpacker{dir: dir, modules: g.modules}
	for _, layer := range layers {
		if err := u.layer(layer); err != nil {
			return nil, fmt.Errorf("unpack %s: %w", ref.Package, err)
		}
	}
	if !u.found {
		return nil, fmt.Errorf("%s has neither /boot/vmlinuz nor /data/kernels/*/boot/vmlinuz-*: it is no image of a kernel that is known here", ref.Package)
	}
	release := cmp.Or(imageRelease(filepath.Join(dir, imageFile)), u.release)
	return &Bundle{Release: release, Source: ref.Source, Package: ref.Package, Flavour: ref.Flavour}, nil
}

// maxImageFileBytes bounds one file of a layer: an image with debug symbols has
// some 500 MB.
const maxImageFileBytes = 1 << 30

// imageUnpacker puts files of layers where a bundle has them. A later layer
// replaces what an earlier one had.
type imageUnpacker struct {
	dir     string
	modules bool
	found   bool
	better  bool   // a compressed image was found: vmlinux does not replace it
	release string // by the name of the image
}

func (u *imageUnpacker) layer(layer v1.Layer) (err error) {
	r, err := layer.Uncompressed()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return u.walk(r)
}

// walk reads a layer to its end, where its digest is checked.
func (u *imageUnpacker) walk(r io.Reader) error {
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			_, err := io.Copy(io.Discard, r)
			return err
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		place := u.place(path.Clean("/" + h.Name))
		if place == "" {
			continue
		}
		if h.Size > maxImageFileBytes {
			return fmt.Errorf("%s has %d MiB, at most %d are taken", h.Name, h.Size>>20, maxImageFileBytes>>20)
		}
		if err := writeFile(filepath.Join(u.dir, place), t); err != nil {
			return err
		}
	}
}

var (
	bootPrefix  = regexp.MustCompile(`^(?:/data/kernels/[^/]+)?/boot/([^/]+)$`)
	modulesPath = regexp.MustCompile(`^(?:/data/kernels/[^/]+)?(?:/usr)?/lib/modules/([^/]+/.+)$`)
)

// place says where in the bundle a file of the image belongs, or "".
func (u *imageUnpacker) place(file string) string {
	if m := modulesPath.FindStringSubmatch(file); m != nil && u.modules {
		return filepath.Join(modulesDir, filepath.FromSlash(m[1]))
	}
	m := bootPrefix.FindStringSubmatch(file)
	if m == nil {
		return ""
	}
	switch kind, release, _ := strings.Cut(m[1], "-"); {
	case kind == "vmlinuz" || kind == "bzImage":
		u.found, u.better, u.release = true, true, release
		return imageFile
	case kind == "vmlinux" && !u.better:
		u.found, u.release = true, release
		return imageFile
	case kind == "config":
		return configFile
	case slices.Contains([]string{"btf", "vmlinux.btf"}, kind):
		return btfFile
	}
	return ""
}
