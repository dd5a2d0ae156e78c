// SPDX-License-Identifier: MIT

package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// mainline has the builds of Ubuntu's kernel team of what kernel.org releases:
// a directory for each version, in it one for each architecture, in that the
// packages, their checksums, and a signature of the checksums.
//
// https://wiki.ubuntu.com/Kernel/MainlineBuilds
type mainline struct {
	get     *downloader
	places  Places
	modules bool
}

func (m *mainline) where() string { return "Ubuntu mainline builds" }

// mainlineDir matches the links of the index to released versions; release
// candidates are not among them.
var mainlineDir = regexp.MustCompile(`href="v(\d{1,4}\.\d{1,4}(?:\.\d{1,5})?)/"`)

// list reads the index. pin finds out which builds are complete.
func (m *mainline) list(ctx context.Context, arch string, _ time.Duration) ([]Ref, error) {
	m.get.phase("read the index of mainline builds")
	text, err := m.get.text(ctx, m.places.mainline()+"/")
	if err != nil {
		return nil, err
	}
	return mainlineVersions(text, arch), nil
}

func mainlineVersions(index []byte, arch string) []Ref {
	var refs []Ref
	for _, match := range mainlineDir.FindAllSubmatch(index, -1) {
		kernel, _ := parseVersion(string(match[1]))
		refs = append(refs, Ref{
			Source: "mainline", Kernel: kernel, Flavour: "generic", Arch: arch,
			Package: path.Join("v"+string(match[1]), arch),
		})
	}
	return refs
}

// pin names the package with the image.
func (m *mainline) pin(ctx context.Context, ref Ref) (Ref, error) {
	dir := ref.Package
	sums, err := m.checksums(ctx, dir)
	if errors.Is(err, errGone) {
		return ref, fmt.Errorf("%s has no checksums, or no signature of them: %w", dir, errIncomplete)
	}
	if err != nil {
		return ref, err
	}
	image, modules := sums.find("linux-image-unsigned-"), sums.find("linux-modules-")
	if image == "" {
		image = sums.find("linux-image-") // before 4.18 nobody called it unsigned
	}
	if image == "" || modules == "" {
		return ref, fmt.Errorf("%s lacks the image or the modules: %w", dir, errIncomplete)
	}
	ref.Package = path.Join(dir, image)
	return ref, nil
}

// checksums returns the checksums of a directory, after verifying their signature.
func (m *mainline) checksums(ctx context.Context, dir string) (checksums, error) {
	base := m.places.mainline() + "/" + dir + "/"
	m.get.phase("read checksums of " + dir)
	text, err := m.get.text(ctx, base+"CHECKSUMS")
	if err != nil {
		return nil, err
	}
	signature, err := m.get.text(ctx, base+"CHECKSUMS.gpg")
	if err != nil {
		return nil, fmt.Errorf("signature of the checksums: %w", err)
	}
	keys, err := m.keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("key of the checksums: %w", err)
	}
	if err := verifyDetached(keys, text, signature); err != nil {
		return nil, fmt.Errorf("%sCHECKSUMS: %w", base, err)
	}
	return readChecksums(text), nil
}

// fetch downloads and unpacks the packages.
func (m *mainline) fetch(ctx context.Context, ref Ref, dir string) (*Bundle, error) {
	version, image := path.Split(ref.Package)
	version = strings.TrimSuffix(version, "/")
	sums, err := m.checksums(ctx, version)
	if err != nil {
		return nil, err
	}
	if sums[image] == "" {
		return nil, fmt.Errorf("%s is not there any more", ref.Package)
	}
	names := []string{image, m.withConfig(sums)}
	release := releaseOfImage(image)
	var debs []string
	defer func() {
		for _, deb := range debs {
			_ = os.Remove(deb)
		}
	}()
	for _, name := range names {
		deb, err := m.get.file(ctx, m.places.mainline()+"/"+version+"/"+name, sums[name])
		if err != nil {
			return nil, err
		}
		debs = append(debs, deb)
	}
	m.get.phase("unpack " + release)
	b := &Bundle{Release: release, Source: ref.Source, Package: ref.Package, Flavour: ref.Flavour}
	return b, unpackDebs(debs, release, dir, m.modules)
}

// withConfig adds the package with the configuration to the wanted ones: the headers have
// 4 MB, the modules 140.
func (m *mainline) withConfig(sums checksums) string {
	if headers := sums.find("linux-headers-"); headers != "" && !m.modules {
		return headers
	}
	return sums.find("linux-modules-")
}

var mainlineImage = regexp.MustCompile(`^linux-image-(?:unsigned-)?(.+?)_`)

func releaseOfImage(name string) string {
	if match := mainlineImage.FindStringSubmatch(name); match != nil {
		return match[1]
	}
	return ""
}

// checksums are SHA-256 by the name of the file.
type checksums map[string]string

var checksumLine = regexp.MustCompile(`^([0-9a-f]{64})[ \t]+\*?([A-Za-z0-9][A-Za-z0-9.+~_-]{0,250})$`)

// readChecksums parses the output of sha256sum(1). It skips other lines, such as SHA-1
// sums, and names that are not packages.
func readChecksums(text []byte) checksums {
	sums := checksums{}
	for line := range strings.Lines(string(text)) {
		if match := checksumLine.FindStringSubmatch(strings.TrimRight(line, "\r\n")); match != nil {
			sums[match[2]] = match[1]
		}
	}
	return sums
}

// find returns the package of the generic flavour with this prefix, or "".
func (c checksums) find(prefix string) string {
	var found []string
	for name := range c {
		rest, ok := strings.CutPrefix(name, prefix)
		release, _, named := strings.Cut(rest, "_")
		if ok && named && rest[0] >= '0' && rest[0] <= '9' && strings.HasSuffix(release, "-generic") && strings.HasSuffix(name, ".deb") {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		return ""
	}
	return slices.Min(found)
}
