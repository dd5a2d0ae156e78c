// SPDX-License-Identifier: MIT

package profile

import (
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/harness/record"
)

// sideOf is a side on a kernel whose functions take so many instructions.
func sideOf(release string, functions map[string]int64) *Side {
	p := &record.Profile{Program: record.Part{Per: 1}, Reader: record.Part{Per: 1}}
	for name, n := range functions {
		s := record.Stack{Frames: []int{len(p.Functions)}}
		s.Counts[record.Instructions] = n
		p.Functions = append(p.Functions, name)
		p.Program.Stacks = append(p.Program.Stacks, s)
	}
	return &Side{Release: release, Profile: p}
}

func TestCausesOf(t *testing.T) {
	titles := func(a, b *Side) (all []string) {
		for _, c := range CausesOf(a, b) {
			all = append(all, c.Commit)
		}
		return all
	}
	older := sideOf("6.12.118+deb13-cloud-amd64", map[string]int64{"perf_misc_flags": 19, "read_tsc": 6, "memcpy": 3})
	newer := sideOf("6.16.12", map[string]int64{"perf_arch_misc_flags": 12, "read_tsc": 6, "memcpy": 3})
	newest := sideOf("7.3", map[string]int64{"perf_arch_misc_flags": 12, "memcpy": 3, "bpf_prog_x": 1})
	for _, c := range []struct {
		a, b *Side
		want []string
	}{
		{older, newer, []string{"2c47e7a74f44"}},
		{newer, older, []string{"2c47e7a74f44"}},
		{newer, newest, []string{"f1606dd0ac49", "2e27beeb66e4"}},
		{older, older, nil},
		{sideOf("x", nil), newest, nil},
	} {
		if diff := cmp.Diff(c.want, titles(c.a, c.b)); diff != "" {
			t.Errorf("%s to %s: %s", c.a.Release, c.b.Release, diff)
		}
	}
}

func TestCauses(t *testing.T) {
	commit := regexp.MustCompile(`^([0-9a-f]{12})?$`)
	last := []int{0}
	for _, c := range Causes() {
		since := Version(c.Since)
		if len(since) != 2 || slices.Compare(since, last) < 0 {
			t.Errorf("%s is not in the order of versions", c.Since)
		}
		last = since
		if !commit.MatchString(c.Commit) || c.What == "" || c.Effect == "" || len(c.Functions) == 0 {
			t.Errorf("incomplete: %+v", c)
		}
	}
}
