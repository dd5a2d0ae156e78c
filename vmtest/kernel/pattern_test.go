// SPDX-License-Identifier: MIT

package kernel

import (
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	var have []Ref
	for _, v := range []string{"5.10.262", "6.1.190", "6.1.192", "6.12.117", "6.16.3", "7.0.13", "7.3.4"} {
		kernel, _ := parseVersion(v)
		have = append(have,
			Ref{Kernel: kernel, Revision: v + "-1", Flavour: "cloud", Arch: "amd64"},
			Ref{Kernel: kernel, Revision: v + "-1", Flavour: "generic", Arch: "amd64"},
			Ref{Kernel: Version{9, 9, 9}, Flavour: "rt", Arch: "amd64"},
			Ref{Kernel: Version{9, 9, 9}, Flavour: "cloud", Arch: "arm64"})
	}
	for want, names := range map[string]string{
		"6.1":        "6.1=6.1.192",
		"6.1.190":    "6.1.190=6.1.190",
		"6.*":        "6.1=6.1.192 6.12=6.12.117 6.16=6.16.3",
		"6.1.*":      "6.1.190=6.1.190 6.1.192=6.1.192",
		"6.1*":       "6.1=6.1.192 6.12=6.12.117 6.16=6.16.3",
		"5.10..6.12": "5.10=5.10.262 6.1=6.1.192 6.12=6.12.117",
		"6.13..6.99": "6.16=6.16.3",
		"7.3..5.10":  "",
		"all":        "5.10=5.10.262 6.1=6.1.192 6.12=6.12.117 6.16=6.16.3 7.0=7.0.13 7.3=7.3.4",
		"latest":     "7.3=7.3.4",
		"lts":        "5.10=5.10.262 6.1=6.1.192 6.12=6.12.117",
		"8.*":        "",
		"*":          "5.10=5.10.262 6.1=6.1.192 6.12=6.12.117 6.16=6.16.3 7.0=7.0.13 7.3=7.3.4",
	} {
		if !bareVersion.MatchString(want) && !isPattern(want) {
			t.Errorf("%s is no pattern", want)
		}
		var got []string
		for _, c := range expand(have, query{pattern: want, arch: "amd64"}) {
			got = append(got, c.version+"="+c.candidates[0].Kernel.String())
			if c.candidates[0].Flavour != "cloud" {
				t.Errorf("%s: flavour %s", want, c.candidates[0].Flavour)
			}
		}
		if strings.Join(got, " ") != names {
			t.Errorf("%s is %q, want %q", want, got, names)
		}
	}
	for _, text := range []string{"vmlinuz", "every", "6.x", "./6.*", "6..7", "6.1..", "[6].1"} {
		if isPattern(text) {
			t.Errorf("%s is a pattern", text)
		}
	}
	if choices := expand(nil, query{pattern: "latest"}); choices != nil {
		t.Errorf("latest of nothing is %v", choices)
	}
}

// TestExpandPrefers: a newer kernel is preferred, then a newer package; a flavour is only
// used if it was requested.
func TestExpandPrefers(t *testing.T) {
	have := []Ref{
		{Package: "a", Revision: "6.1.192-1", Kernel: Version{6, 1, 192}, Flavour: "cloud"},
		{Package: "b", Revision: "6.1.192-2", Kernel: Version{6, 1, 192}, Flavour: "cloud"},
		{Package: "g", Revision: "6.1.192-3", Kernel: Version{6, 1, 192}, Flavour: "generic"},
		{Package: "c", Revision: "6.1.99-9", Kernel: Version{6, 1, 99}, Flavour: "cloud"},
		{Package: "d", Revision: "6.1.200-1", Kernel: Version{6, 1, 200}, Flavour: "rt"},
		{Package: "e", Revision: "6.12.1-1", Kernel: Version{6, 12, 1}, Flavour: "cloud"},
		{Package: "f", Revision: "6.5.1-1", Kernel: Version{6, 5, 1}, Flavour: "generic"},
	}
	for want, name := range map[string]string{
		"6.1": "b", "6.1.99": "c", "6.1.192": "b", "6.12": "e", "6.1.200": "", "6.2": "", "6.1.9": "",
		"6.1+rt": "d", "6.1+generic": "g", "6.5": "f", "6.5+cloud": "",
	} {
		q, err := parseQuery(want)
		check(t, err)
		q.arch = ""
		got := ""
		for _, c := range expand(have, q) {
			got += c.candidates[0].Package
		}
		if got != name {
			t.Errorf("%s is %q, want %q", want, got, name)
		}
	}
}

func TestNamesOfQueries(t *testing.T) {
	for _, text := range []string{"6.1", "6.1+rt", "mainline:6.5", "mainline:6.5+arm64", "apt:6.1+cloud+arm64", "oci:6.6"} {
		q, err := parseQuery(text)
		check(t, err)
		if got := q.named(q.pattern); got != text {
			t.Errorf("%s is called %s", text, got)
		}
	}
}
