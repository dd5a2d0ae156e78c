package kernel

import (
	"bufio"
	"io"
	"regexp"
	"strings"
)

// Package is one version of a kernel in an archive.
type Package struct {
	Name    string  `json:"name"`    // of the package with the image
	Version string  `json:"version"` // of that package
	Config  string  `json:"config"`  // package with the configuration, or "": the archive has none
	Release string  `json:"release"` // as uname(2) says it
	Flavour string  `json:"flavour"` // cloud, rt, generic
	Kernel  Version `json:"kernel"`  // upstream
	Suite   string  `json:"suite"`
}

// maxField bounds one line of a package list.
const maxField = 1 << 20

// imageName matches packages that hold an image: up to 6.18 linux-image-V, from
// 6.19 on linux-binary-V. V starts with three numbers; linux-image-6.1-amd64
// only points to another.
var imageName = regexp.MustCompile(`^linux-(image|binary)-(\d+\.\d+\.\d+\S*?-(?:(cloud|rt)-)?(?:amd64|arm64))(-unsigned)?$`)

// readPackages finds the kernels in a Packages list of a suite. Lists are not
// trusted to be whole: what it does not understand it leaves out.
func readPackages(r io.Reader, suite string) ([]Package, error) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 0, 64<<10), maxField)
	var found []Package
	binaries := map[string]bool{} // releases that have a linux-binary package
	bases := map[string]bool{}    // and names of linux-base packages
	var name, version string
	flush := func() {
		if strings.HasPrefix(name, "linux-base-") {
			bases[name] = true
		}
		if p, binary, ok := kernelPackage(name, version, suite); ok {
			found = append(found, p)
			if binary {
				binaries[p.Release] = true
			}
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
		if config := found[i].Config; config != found[i].Name && !bases[config] {
			found[i].Config = ""
		}
	}
	return onlyImages(found, binaries), nil
}

func kernelPackage(name, version, suite string) (p Package, binary, ok bool) {
	m := imageName.FindStringSubmatch(name)
	if m == nil {
		return p, false, false
	}
	kernel, ok := parseVersion(version)
	if !ok {
		return p, false, false
	}
	p = Package{
		Name: name, Version: version, Config: name, Release: m[2],
		Flavour: m[3], Kernel: kernel, Suite: suite,
	}
	if p.Flavour == "" {
		p.Flavour = "generic"
	}
	binary = m[1] == "binary"
	if binary {
		p.Config = "linux-base-" + p.Release
	}
	return p, binary, true
}

// onlyImages leaves out linux-image packages that only point to a linux-binary,
// and unsigned images where the signed one is there too: it is the same image.
func onlyImages(packages []Package, binaries map[string]bool) []Package {
	signed := map[string]bool{}
	for _, p := range packages {
		if !strings.HasSuffix(p.Name, "-unsigned") {
			signed[p.Name] = true
		}
	}
	var images []Package
	for _, p := range packages {
		pointer := binaries[p.Release] && strings.HasPrefix(p.Name, "linux-image-")
		if pointer || signed[strings.TrimSuffix(p.Name, "-unsigned")] && strings.HasSuffix(p.Name, "-unsigned") {
			continue
		}
		images = append(images, p)
	}
	return images
}
