// SPDX-License-Identifier: MIT

package kernel

import (
	"archive/tar"
	"bufio"
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

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
)

// registry has kernels as container images, as published for tests over many kernels. Two
// layouts are known:
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

// list returns the tags that are versions.
func (g *registry) list(ctx context.Context, arch string, _ time.Duration) ([]Ref, error) {
	image, err := parseImage(g.repository)
	if err != nil {
		return nil, err
	}
	g.phase("read the tags of " + g.repository)
	var refs []Ref
	err = g.open(image).Tags(ctx, "", func(tags []string) error {
		refs = append(refs, taggedVersions(g.repository, tags, arch)...)
		return nil
	})
	return refs, err
}

func taggedVersions(repository string, tags []string, arch string) []Ref {
	var refs []Ref
	for _, tag := range tags {
		if !bareVersion.MatchString(tag) {
			continue
		}
		if kernel, ok := parseVersion(tag); ok {
			refs = append(refs, Ref{Source: "oci", Kernel: kernel, Arch: arch, Package: repository + ":" + tag})
		}
	}
	return refs
}

// pin replaces the tag, which can move, by the digest.
func (g *registry) pin(ctx context.Context, ref Ref) (Ref, error) {
	image, err := parseImage(ref.Package)
	if err != nil {
		return ref, err
	}
	g.phase("ask for " + ref.Package)
	head, err := g.open(image).Resolve(ctx, image.Reference)
	if errors.Is(err, errdef.ErrNotFound) {
		return ref, fmt.Errorf("%s: %w", ref.Package, errIncomplete)
	}
	if err != nil {
		return ref, err
	}
	if ref.Kernel == (Version{}) && image.ValidateReferenceAsDigest() != nil {
		ref.Kernel, _ = parseVersion(image.Reference)
	}
	ref.Package = image.Registry + "/" + image.Repository + "@" + head.Digest.String()
	return ref, nil
}

// fetch extracts the kernel's files from the image's layers.
func (g *registry) fetch(ctx context.Context, ref Ref, dir string) (*Bundle, error) {
	image, err := parseImage(ref.Package)
	if err != nil {
		return nil, err
	}
	g.phase("fetch " + ref.Package)
	from := g.open(image)
	layers, err := layersOf(ctx, from, image.Reference, ref.Arch)
	if err != nil {
		return nil, err
	}
	u := &imageUnpacker{dir: dir, modules: g.modules}
	for _, layer := range layers {
		if err := u.layer(ctx, from, layer); err != nil {
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

// imageUnpacker extracts files of layers to their places in a bundle. A later layer
// replaces files of an earlier one.
type imageUnpacker struct {
	dir     string
	modules bool
	found   bool
	better  bool   // a compressed image was found: vmlinux does not replace it
	release string // by the name of the image
}

// layer unpacks a layer. Nothing of it is used unless it has its digest.
func (u *imageUnpacker) layer(ctx context.Context, from *remote.Repository, layer ocispec.Descriptor) (err error) {
	blob, err := from.Blobs().Fetch(ctx, layer)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, blob.Close()) }()
	verified := content.NewVerifyReader(blob, layer)
	packed := bufio.NewReaderSize(verified, 1<<20)
	r, closer, err := decompress(compression(packed), packed)
	if err != nil {
		return err
	}
	defer closer()
	if err := u.walk(r); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, packed); err != nil { // behind the end of what is compressed
		return err
	}
	return verified.Verify()
}

// walk reads a layer to its end.
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

// place returns where in the bundle a file of the image belongs, or "".
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
