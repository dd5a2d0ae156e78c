package kernel

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// longTerm are the lines that kernel.org keeps for years:
// https://www.kernel.org/category/releases.html
var longTerm = []string{"5.10", "5.15", "6.1", "6.6", "6.12", "6.18"}

var (
	wildcard = regexp.MustCompile(`^[\d.]*\*[\d.*]*$`)
	interval = regexp.MustCompile(`^(\d+\.\d+)\.\.(\d+\.\d+)$`)
)

// isPattern reports whether the text may mean several kernels.
func isPattern(want string) bool {
	return slices.Contains([]string{"all", "latest", "lts"}, want) || wildcard.MatchString(want) || interval.MatchString(want)
}

// expand returns the packages that a version or a pattern means, oldest first:
//
//	6.1         the newest of the line
//	6.1.192     exactly this one
//	6.*         the newest of each line that matches
//	6.1.*       every version that matches
//	5.10..6.12  the newest of each line from the one to the other
//	all         the newest of each line
//	latest      the newest of all
//	lts         the newest of each long-term line
func expand(packages []Package, want string) []Ref {
	if bareVersion.MatchString(want) {
		p, found := newest(packages, want)
		if !found {
			return nil
		}
		return []Ref{{Name: want, pkg: p}}
	}
	var refs []Ref
	for _, v := range versionsOf(packages, strings.Count(want, ".") == 2 && wildcard.MatchString(want)) {
		if matches(want, v) {
			p, _ := newest(packages, v)
			refs = append(refs, Ref{Name: v, pkg: p})
		}
	}
	if want == "latest" && len(refs) > 0 {
		refs = refs[len(refs)-1:]
	}
	return refs
}

// versionsOf lists the lines, or every version, oldest first.
func versionsOf(packages []Package, each bool) []string {
	var versions []Version
	for _, p := range packages {
		if p.Flavour != flavour {
			continue
		}
		if each {
			versions = append(versions, p.Kernel)
		} else {
			versions = append(versions, p.Kernel.Line())
		}
	}
	slices.SortFunc(versions, Version.Compare)
	var names []string
	for _, v := range slices.Compact(versions) {
		names = append(names, v.String())
	}
	return names
}

func matches(want, version string) bool {
	switch want {
	case "all", "latest":
		return true
	case "lts":
		return slices.Contains(longTerm, version)
	}
	if m := interval.FindStringSubmatch(want); m != nil {
		v, _ := parseVersion(version)
		from, _ := parseVersion(m[1])
		to, _ := parseVersion(m[2])
		return v.Compare(from) >= 0 && v.Compare(to) <= 0
	}
	ok, err := path.Match(want, version)
	return ok && err == nil
}
