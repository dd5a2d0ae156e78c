// SPDX-License-Identifier: MIT

package results

import (
	"strings"
	"testing"
)

// TestFileName: names are safe, and different ones stay different.
func TestFileName(t *testing.T) {
	for name, want := range map[string]string{
		"6.1":                               "6.1",
		"6.1+rt":                            "6.1+rt",
		"apt:6.1":                           "apt_6.1",
		"mainline:6.5":                      "mainline_6.5",
		"oci:ghcr.io/cilium/ci-kernels:6.6": "oci_ghcr.io_cilium_ci-kernels_6.6",
		"6.12.9+deb13":                      "6.12.9+deb13",
		"host":                              "host",
	} {
		if got := FileName(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	long := strings.Repeat("a", 300)
	seen := map[string]string{}
	for _, name := range []string{
		"", ".", "..", "../x", "a b", "a_b", "a:b", "a\"b", "a<b", "a>b", "a|b", "a*b", "a?b", "a\rb", "a\nb", "a\\b", "a\x00b", "é", "-x", "x.", "con:",
		long, long + "b", "/etc/passwd", "5.10..6.12", "6.*", "6.?",
	} {
		got := FileName(name)
		if other, ok := seen[got]; ok {
			t.Errorf("%q and %q are both %q", name, other, got)
		}
		seen[got] = name
		if got == "" || len(got) > 255 || strings.ContainsAny(got, "\"<>:|*?\r\n\\/ \x00'") || strings.ContainsAny(got[:1], ".-") || strings.HasSuffix(got, ".") {
			t.Errorf("%q: %q is not safe", name, got)
		}
	}
}

func FuzzFileName(f *testing.F) {
	f.Add("apt:6.1", "apt_6.1")
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, name := range []string{FileName(a), FileName(b)} {
			if name == "" || len(name) > 255 || strings.ContainsAny(name, "\"<>:|*?\r\n\\/ \x00") {
				t.Errorf("%q is not safe", name)
			}
		}
		plain := strings.NewReplacer("/", ":")
		if a != b && FileName(a) == FileName(b) && plain.Replace(a) != plain.Replace(b) {
			t.Errorf("%q and %q are both %q", a, b, FileName(a))
		}
	})
}
