// SPDX-License-Identifier: MIT

package kernel

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// list is made of stanzas as the archive has them: signed and unsigned images,
// pointers, debug symbols, and the split of 6.19.
const list = `Package: linux-image-6.1.0-56-cloud-amd64
Source: linux-signed-amd64 (6.1.192+2)
Version: 6.1.192-2
Description: Linux 6.1 for x86-64 cloud (signed)

Package: linux-image-6.1.0-56-cloud-amd64-unsigned
Version: 6.1.192-2

Package: linux-image-6.1.0-56-cloud-amd64-dbg
Version: 6.1.192-2

Package: linux-image-6.1-cloud-amd64
Version: 6.1.192-2

Package: linux-image-5.10.0-46-amd64-unsigned
Version: 5.10.262-1

Package: linux-image-7.3.4+deb13-cloud-amd64
Version: 7.3.4-1~bpo13+1

Package: linux-binary-7.3.4+deb13-cloud-amd64
Version: 7.3.4-1~bpo13+1

Package: linux-base-7.3.4+deb13-cloud-amd64
Version: 7.3.4-1~bpo13+1

Package: linux-binary-7.0.13+deb13-rt-amd64
Version: 7.0.13-1~bpo13+1

Package: linux-modules-7.3.4+deb13-cloud-amd64
Version: 7.3.4-1~bpo13+1

Package: linux-image-6.5.0-45-generic
Version: 6.5.0-45.45~22.04.1

Package: linux-image-unsigned-6.5.0-45-generic
Version: 6.5.0-45.45~22.04.1

Package: linux-modules-6.5.0-45-generic
Version: 6.5.0-45.45~22.04.1

Package: linux-image-unsigned-6.5.0-45-lowlatency
Version: 6.5.0-45.45.1

Package: linux-image-generic
Version: 6.5.0.45.45

Package: bash
Version: 5.2

Package: linux-image-6.1.0-99-cloud-amd64
Version: broken`

func TestReadPackages(t *testing.T) {
	got, err := readPackages(strings.NewReader(list), "some-suite")
	if err != nil {
		t.Fatal(err)
	}
	want := []Package{
		{
			Name: "linux-image-6.1.0-56-cloud-amd64", Version: "6.1.192-2", Config: "linux-image-6.1.0-56-cloud-amd64", Modules: "linux-image-6.1.0-56-cloud-amd64",
			Release: "6.1.0-56-cloud-amd64", Flavour: "cloud", Kernel: Version{6, 1, 192}, Suite: "some-suite",
		},
		{
			Name: "linux-image-5.10.0-46-amd64-unsigned", Version: "5.10.262-1", Config: "linux-image-5.10.0-46-amd64-unsigned", Modules: "linux-image-5.10.0-46-amd64-unsigned",
			Release: "5.10.0-46-amd64", Flavour: "generic", Kernel: Version{5, 10, 262}, Suite: "some-suite",
		},
		{
			Name: "linux-binary-7.3.4+deb13-cloud-amd64", Version: "7.3.4-1~bpo13+1", Config: "linux-base-7.3.4+deb13-cloud-amd64", Modules: "linux-modules-7.3.4+deb13-cloud-amd64",
			Release: "7.3.4+deb13-cloud-amd64", Flavour: "cloud", Kernel: Version{7, 3, 4}, Suite: "some-suite",
		},
		{
			// The archive has no linux-base of it any more.
			Name: "linux-binary-7.0.13+deb13-rt-amd64", Version: "7.0.13-1~bpo13+1", Config: "",
			Release: "7.0.13+deb13-rt-amd64", Flavour: "rt", Kernel: Version{7, 0, 13}, Suite: "some-suite",
		},
		{
			Name: "linux-image-6.5.0-45-generic", Version: "6.5.0-45.45~22.04.1", Config: "linux-modules-6.5.0-45-generic",
			Modules: "linux-modules-6.5.0-45-generic", Release: "6.5.0-45-generic", Flavour: "generic", Kernel: Version{6, 5, 0}, Suite: "some-suite",
		},
		{
			Name: "linux-image-unsigned-6.5.0-45-lowlatency", Version: "6.5.0-45.45.1", Config: "", Modules: "",
			Release: "6.5.0-45-lowlatency", Flavour: "lowlatency", Kernel: Version{6, 5, 0}, Suite: "some-suite",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzReadPackages(f *testing.F) {
	f.Add(list)
	f.Add("Package: linux-image-6.1.0-amd64\nVersion: 6")
	f.Fuzz(func(t *testing.T, text string) {
		packages, _ := readPackages(strings.NewReader(text), "s")
		for _, p := range packages {
			if p.Release == "" || p.Kernel.Major == 0 && p.Kernel.Minor == 0 && p.Kernel.Patch == 0 && !strings.HasPrefix(p.Version, "0") {
				t.Errorf("package without a version: %+v", p)
			}
		}
	})
}

func TestParseConfig(t *testing.T) {
	for text, want := range map[string]Config{
		"": {},
		"CONFIG_PREEMPT_VOLUNTARY=y\nCONFIG_HZ=250\n# CONFIG_PREEMPT is not set\n": {Preempt: "voluntary", HZ: 250},
		"CONFIG_PREEMPT_RT=y\nCONFIG_PREEMPT=y\nCONFIG_HZ_250=y":                   {Preempt: "rt"},
		"CONFIG_PREEMPT_LAZY=y\nCONFIG_HZ=many\n":                                  {Preempt: "lazy"},
	} {
		if got := parseConfig([]byte(text)); got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}
