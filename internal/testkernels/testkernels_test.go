// SPDX-License-Identifier: MIT

package testkernels

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
)

// TestAssign: whatever the archive has, each role has a kernel.
func TestAssign(t *testing.T) {
	refs := func(names string) (all []kernel.Ref) {
		for _, name := range strings.Fields(names) {
			ref := kernel.Ref{Name: "apt:" + name, Package: "linux-image-" + name}
			if err := ref.Kernel.UnmarshalText([]byte(name)); err != nil {
				t.Fatal(err)
			}
			if ref.Kernel.Compare(kernel.Version{Major: 6, Minor: 19}) >= 0 {
				ref.Package = "linux-binary-" + name
			}
			all = append(all, ref)
		}
		return all
	}
	for name, test := range map[string]struct{ lines, longTerm, want string }{
		"today":           {"5.10 6.1 6.12 6.18 6.19 7.3", "5.10 6.1 6.12 6.18", "5.10 6.1 6.18 6.18 6.19 7.3"},
		"a month later":   {"6.1 6.12 6.18 7.0 7.4", "6.1 6.12 6.18", "6.1 6.1 6.18 6.18 7.0 7.4"},
		"only new ones":   {"7.0 7.4", "7.0", "7.0 7.0 7.0 7.0 7.0 7.4"},
		"only old ones":   {"5.10", "5.10", "5.10 5.10 5.10 5.10 5.10 5.10"},
		"no long-term 6s": {"5.10 6.16", "5.10", "5.10 5.10 5.10 6.16 6.16 6.16"},
	} {
		t.Run(name, func(t *testing.T) {
			names := assign(refs(test.lines), refs(test.longTerm))
			var got []string
			for _, role := range Roles() {
				got = append(got, names[role])
			}
			if diff := cmp.Diff(test.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
