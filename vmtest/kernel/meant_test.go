// SPDX-License-Identifier: MIT

package kernel

import "testing"

func TestMeans(t *testing.T) {
	for _, test := range []struct {
		text, name, source string
		want               bool
	}{
		{"6.1", "6.1", "apt", true},
		{"6.1", "6.12", "apt", false},
		{"6.1", "apt:6.1", "apt", true},
		{"apt:6.1", "6.1", "apt", true},
		{"mainline:6.1", "6.1", "apt", false},
		{"mainline:6.5", "mainline:6.5", "mainline", true},
		{"6.1", "6.1+rt", "apt", false},
		{"6.1+rt", "6.1+rt", "apt", true},
		{"6.*", "6.12", "apt", true},
		{"6.*", "5.10", "apt", false},
		{"6.1.*", "6.1.192", "apt", true},
		{"5.10..6.12", "6.1", "apt", true},
		{"5.10..6.12", "6.18", "apt", false},
		{"apt:lts", "6.12", "apt", true},
		{"mainline:lts", "6.12", "apt", false},
		{"lts", "6.13", "apt", false},
		{"latest", "7.3", "apt", true},
		{"all", "mainline:6.5", "mainline", true},
		{"lts", "lts", "", true}, // it could not be resolved
		{"./arch/x86/boot/bzImage", "bzImage", "file", true},
		{"oci:ghcr.io/cilium/ci-kernels:6.6", "oci:ghcr.io/cilium/ci-kernels:6.6", "oci", true},
		{"oci:6.6", "oci:6.6", "oci", true},
		{"host", "host", "host", true},
		{"six", "6.1", "apt", false},
		{"", "6.1", "apt", false},
		{"6.1", "", "", false},
	} {
		if got := Means(test.text, test.name, test.source); got != test.want {
			t.Errorf("%q, %q from %q: %v", test.text, test.name, test.source, got)
		}
	}
}
