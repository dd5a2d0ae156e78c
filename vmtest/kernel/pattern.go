// SPDX-License-Identifier: MIT

package kernel

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strings"
)

// longTerm are the lines that kernel.org keeps for years:
// https://www.kernel.org/category/releases.html
var longTerm = []string{"5.10", "5.15", "6.1", "6.6", "6.12", "6.18"}

// IsLongTerm reports whether the version is of a line that is kept for years.
func (v Version) IsLongTerm() bool { return slices.Contains(longTerm, v.LineString()) }

var (
	wildcard = regexp.MustCompile(`^[\d.]*\*[\d.*]*$`)
	interval = regexp.MustCompile(`^(\d+\.\d+)\.\.(\d+\.\d+)$`)
)

// isPattern reports whether the text may mean several kernels.
func isPattern(want string) bool {
	return slices.Contains([]string{"all", "latest", "lts"}, want) || wildcard.MatchString(want) || interval.MatchString(want)
}

// choice is one version that a query means, and what a source has of it, the
// best first.
type choice struct {
	version    string
	candidates []Ref
}

// expand groups the refs of a source by the versions that a query means, oldest version
// first:
//
//	6.1         the newest of the line
//	6.1.192     exactly this one
//	6.*         the newest of each line that matches
//	6.1.*       every version that matches
//	5.10..6.12  the newest of each line from the one to the other
//	all         the newest of each line
//	latest      the newest of all
//	lts         the newest of each long-term line
//
// Without a requested flavour, it is the source's first choice.
func expand(have []Ref, q query) []choice {
	each := strings.Count(q.pattern, ".") == 2 && !interval.MatchString(q.pattern)
	have = slices.DeleteFunc(slices.Clone(have), func(r Ref) bool {
		return r.Arch != q.arch || q.flavour != "" && r.Flavour != q.flavour || q.flavour == "" && flavourRank(r.Flavour) == unasked
	})
	slices.SortStableFunc(have, func(a, b Ref) int { return b.compare(a) })
	var choices []choice
	for _, ref := range have { // newest first
		name := ref.Kernel.Line().String()
		if each {
			name = ref.Kernel.String()
		}
		if !matches(q.pattern, name) {
			continue
		}
		if n := len(choices); n == 0 || choices[n-1].version != name {
			choices = append(choices, choice{version: name})
		}
		last := &choices[len(choices)-1]
		last.candidates = append(last.candidates, ref)
	}
	if q.pattern == "latest" && len(choices) > 0 {
		choices = choices[:1]
	}
	slices.Reverse(choices)
	return choices
}

// flavours that are used by default: cloud first, which is built for virtual machines,
// and small.
var flavours = []string{"cloud", "generic", ""}

const unasked = -1

func flavourRank(flavour string) int {
	i := slices.Index(flavours, flavour)
	if i < 0 {
		return unasked
	}
	return len(flavours) - i
}

// compare orders by upstream version, then by flavour, and then by the source's revision;
// the better one is greater.
func (r Ref) compare(o Ref) int {
	return cmp.Or(r.Kernel.Compare(o.Kernel), cmp.Compare(flavourRank(r.Flavour), flavourRank(o.Flavour)), compareDebian(r.Revision, o.Revision))
}

func matches(want, version string) bool {
	switch want {
	case "all", "latest", version:
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
