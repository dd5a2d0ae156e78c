// SPDX-License-Identifier: MIT

package kernel

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Version is an upstream version: 6.1 or 6.1.192.
type Version struct{ Major, Minor, Patch int }

var versionPattern = regexp.MustCompile(`^(\d{1,4})\.(\d{1,4})(?:\.(\d{1,5}))?`)

// parseVersion reads the version that a text begins with: 6.1.192-2 is 6.1.192,
// and 7.3~rc1-1 is 7.3.
func parseVersion(text string) (Version, bool) {
	m := versionPattern.FindStringSubmatch(text)
	if m == nil {
		return Version{}, false
	}
	var v Version
	for i, field := range []*int{&v.Major, &v.Minor, &v.Patch} {
		if m[i+1] != "" {
			*field, _ = strconv.Atoi(m[i+1]) // at most five digits
		}
	}
	return v, true
}

// Line is the version without its patch level.
func (v Version) Line() Version { return Version{v.Major, v.Minor, 0} }

// LineString is the line as users write it: 6.1.
func (v Version) LineString() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

func (v Version) String() string {
	if v.Patch == 0 {
		return v.LineString()
	}
	return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch)
}

// MarshalText writes the version as String does.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (v *Version) UnmarshalText(text []byte) error {
	parsed, ok := parseVersion(string(text))
	if !ok || parsed.String() != string(text) {
		return fmt.Errorf("%q is no version", text)
	}
	*v = parsed
	return nil
}

// Compare orders versions, older first.
func (v Version) Compare(o Version) int {
	return cmp.Or(cmp.Compare(v.Major, o.Major), cmp.Compare(v.Minor, o.Minor), cmp.Compare(v.Patch, o.Patch))
}

// NotFoundError is a version that no source has.
type NotFoundError struct {
	Want   string
	Looked []string  // where, in words
	Have   []Version // newest patch level of each line, oldest first

	// Flavours are the flavours of the version, if the requested one does not exist.
	Flavours []string

	unread   []string // sources of which nothing could be read
	problems []error  // what kept them, or parts of others, from being read
}

// IsSure reports whether every source was read. Otherwise one of the others may have the
// kernel.
func (e *NotFoundError) IsSure() bool { return len(e.problems) == 0 }

// has adds what a source has for the query's architecture and flavour.
func (e *NotFoundError) has(refs []Ref, q query) {
	if q.flavour != "" {
		for _, ref := range refs {
			if ref.Arch == q.arch && ref.Flavour != "" && !slices.Contains(e.Flavours, ref.Flavour) &&
				(matches(q.pattern, ref.Kernel.String()) || matches(q.pattern, ref.Kernel.Line().String())) {
				e.Flavours = append(e.Flavours, ref.Flavour)
			}
		}
		slices.Sort(e.Flavours)
	}
	q.pattern = "all"
	have := e.Have
	for _, c := range expand(refs, q) {
		have = append(have, c.candidates[0].Kernel)
	}
	e.Have = newestOfLines(have)
}

func (e *NotFoundError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "kernel %s: not found in %s", e.Want, strings.Join(e.Looked, ", "))
	if len(e.unread) > 0 {
		fmt.Fprintf(&b, "; %s could not be read", strings.Join(e.unread, " and "))
	}
	if len(e.Flavours) > 0 {
		fmt.Fprintf(&b, "\nflavours: %s", strings.Join(e.Flavours, ", "))
	}
	if want, ok := parseVersion(e.Want); ok {
		below, above := e.nearest(want)
		var near []string
		if below != nil {
			near = append(near, below.String()+" below")
		}
		if above != nil {
			near = append(near, above.String()+" above")
		}
		if len(near) > 0 {
			fmt.Fprintf(&b, "\nnearest: %s", strings.Join(near, ", "))
		}
	}
	if len(e.Have) > 0 {
		lines := make([]string, len(e.Have))
		for i, v := range e.Have {
			lines[i] = v.LineString()
		}
		fmt.Fprintf(&b, "\navailable: %s", strings.Join(lines, " "))
	}
	for _, err := range e.problems {
		fmt.Fprintf(&b, "\nnot all could be read: %v", err)
	}
	b.WriteString("\nany other kernel: give the path of its image, as in KERNEL=./vmlinuz, or KERNEL=oci:IMAGE")
	return b.String()
}

// nearest returns the newest line below want and the oldest above it.
func (e *NotFoundError) nearest(want Version) (below, above *Version) {
	for i, v := range e.Have {
		switch v.Line().Compare(want.Line()) {
		case -1:
			below = &e.Have[i]
		case 1:
			if above == nil {
				above = &e.Have[i]
			}
		}
	}
	return below, above
}

// newestOfLines returns the newest of each line, oldest line first.
func newestOfLines(versions []Version) []Version {
	slices.SortFunc(versions, Version.Compare)
	var newest []Version
	for _, v := range versions {
		if n := len(newest); n > 0 && newest[n-1].Line() == v.Line() {
			newest[n-1] = v
		} else {
			newest = append(newest, v)
		}
	}
	return newest
}

// compareDebian orders two versions of a package, older first: runs of digits
// as numbers, letters before other characters, and a tilde before everything,
// the end included.
//
// https://www.debian.org/doc/debian-policy/ch-controlfields.html#version
func compareDebian(a, b string) int {
	for a != "" || b != "" {
		for !startsWithDigit(a) || !startsWithDigit(b) {
			x, y := weight(a), weight(b)
			if x != y {
				return cmp.Compare(x, y)
			}
			if x == 0 {
				break
			}
			a, b = a[1:], b[1:]
		}
		var x, y string
		x, a = cutDigits(a)
		y, b = cutDigits(b)
		if order := cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y)); order != 0 {
			return order
		}
	}
	return 0
}

// weight of the first character; digits and the end weigh nothing.
func weight(s string) int {
	switch {
	case s == "" || startsWithDigit(s):
		return 0
	case s[0] == '~':
		return -1
	case s[0] >= 'a' && s[0] <= 'z' || s[0] >= 'A' && s[0] <= 'Z':
		return int(s[0])
	}
	return int(s[0]) + 256
}

func startsWithDigit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

// cutDigits returns the leading digits without leading zeros, and the rest.
func cutDigits(s string) (digits, rest string) {
	rest = strings.TrimLeft(s, "0123456789")
	return strings.TrimLeft(s[:len(s)-len(rest)], "0"), rest
}
