package kernel

import (
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	var packages []Package
	for _, v := range []string{"5.10.262", "6.1.190", "6.1.192", "6.12.117", "6.16.3", "7.0.13", "7.3.4"} {
		kernel, _ := parseVersion(v)
		packages = append(packages, Package{Kernel: kernel, Version: v + "-1", Flavour: "cloud"}, Package{Kernel: Version{9, 9, 9}, Flavour: "rt"})
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
		for _, ref := range expand(packages, want) {
			got = append(got, ref.Name+"="+ref.pkg.Kernel.String())
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
	if refs := expand(nil, "latest"); refs != nil {
		t.Errorf("latest of nothing is %v", refs)
	}
}
