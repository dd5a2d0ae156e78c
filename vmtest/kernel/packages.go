// SPDX-License-Identifier: MIT

package kernel

import (
	"bufio"
	"cmp"
	"io"
	"regexp"
	"slices"
	"strings"
)

// Package is one version of a kernel in an archive.
type Package struct {
	Name    string  `json:"name"`    // of the package with the image
	Version string  `json:"version"` // of that package
	Config  string  `json:"config"`  // package with the configuration, or "": the archive has none
	Modules string  `json:"modules"` // package with the modules, or "": the archive has none
	Release string  `json:"release"` // as uname(2) says it
	Flavour string  `json:"flavour"` // cloud, rt, generic
	Kernel  Version `json:"kernel"`  // upstream
	Suite   string  `json:"suite"`
}

// maxField bounds one line of a package list.
const maxField = 1 << 20

// Names of packages that hold an image. Debian's: up to 6.18 linux-image-V, from
// 6.19 on linux-binary-V; V starts with three numbers, for linux-image-6.1-amd64
// only points to another. Ubuntu's: linux-image-6.8.0-45-generic, with the
// signature in another package of the same name plus "unsigned".
var (
	debianImage = regexp.MustCompile(`^linux-(image|binary)-(\d+\.\d+\.\d+\S*?-(?:(cloud|rt)-)?(?:amd64|arm64))(?:-unsigned)?$`)
	ubuntuImage = regexp.MustCompile(`^linux-image-(?:unsigned-)?(\d+\.\d+\.\d+-\d+-([a-z]+(?:-[a-z]+)*))$`)
)

// readPackages finds the kernels in a Packages list of a suite. Lists may be malformed:
// it skips what it does not understand.
func readPackages(r io.Reader, suite string) ([]Package, error) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 0, 64<<10), maxField)
	var found []Package
	names := map[string]bool{} // of all packages of kernels
	var name, version string
	flush := func() {
		if strings.HasPrefix(name, "linux-") {
			names[name] = true
		}
		if p, ok := kernelPackage(name, version, suite); ok {
			found = append(found, p)
		}
		name, version = "", ""
	}
	for scanner.Scan() {
		line := scanner.Text()
		switch {
		case line == "":
			flush()
		case strings.HasPrefix(line, "Package: "):
			name = line[len("Package: "):]
		case strings.HasPrefix(line, "Version: "):
			version = line[len("Version: "):]
		}
	}
	flush()
	if err := scanner.Err(); err != nil {
		return nil, err
	}
	for i := range found {
		// The archive keeps the signed images longer than what they were built with.
		p := &found[i]
		if !names[p.Config] {
			p.Config = ""
		}
		if !names[p.Modules] {
			p.Modules = ""
		}
	}
	return onlyImages(found, names), nil
}

func kernelPackage(name, version, suite string) (p Package, ok bool) {
	kernel, ok := parseVersion(version)
	if !ok {
		return p, false
	}
	p = Package{Name: name, Version: version, Config: name, Modules: name, Kernel: kernel, Suite: suite}
	if m := debianImage.FindStringSubmatch(name); m != nil {
		p.Release, p.Flavour = m[2], cmp.Or(m[3], "generic")
		if m[1] == "binary" {
			p.Config, p.Modules = "linux-base-"+p.Release, "linux-modules-"+p.Release
		}
		return p, true
	}
	if m := ubuntuImage.FindStringSubmatch(name); m != nil {
		p.Release, p.Flavour = m[1], m[2]
		p.Config, p.Modules = "linux-modules-"+p.Release, "linux-modules-"+p.Release
		return p, true
	}
	return p, false
}

// onlyImages removes linux-image packages that only point to a linux-binary, and unsigned
// images whose signed one is there too: it is the same image.
func onlyImages(packages []Package, names map[string]bool) []Package {
	return slices.DeleteFunc(packages, func(p Package) bool {
		pointer := strings.HasPrefix(p.Name, "linux-image-") && names["linux-binary-"+p.Release]
		unsigned := strings.HasSuffix(p.Name, "-unsigned") || strings.HasPrefix(p.Name, "linux-image-unsigned-")
		return pointer || unsigned && names["linux-image-"+p.Release]
	})
}
