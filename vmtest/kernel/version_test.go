// SPDX-License-Identifier: MIT

package kernel

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]string{
		"6.1": "6.1", "6.1.192": "6.1.192", "6.1.192-2": "6.1.192", "7.3~rc1-1~exp1": "7.3",
		"5.10.262-1": "5.10.262", "6.12.117+deb12": "6.12.117",
	} {
		if v, ok := parseVersion(text); !ok || v.String() != want {
			t.Errorf("%s is %s, %v, want %s", text, v, ok, want)
		}
	}
	for _, text := range []string{"", "6", "six.one", "-6.1", "99999.1"} {
		if v, ok := parseVersion(text); ok {
			t.Errorf("%q is %s", text, v)
		}
	}
}

func TestCompareDebian(t *testing.T) {
	ascending := []string{"1~~", "1~~a", "1~", "1", "1a", "1-1~bpo13+1", "1-1", "1-2", "1-10", "1.1", "2"}
	for i := range ascending {
		for j := range ascending {
			got, want := compareDebian(ascending[i], ascending[j]), 0
			switch {
			case i < j:
				want = -1
			case i > j:
				want = 1
			}
			if got != want {
				t.Errorf("%s against %s: %d, want %d", ascending[i], ascending[j], got, want)
			}
		}
	}
}

func TestNotFoundNamesTheNearest(t *testing.T) {
	have := newestOfLines([]Version{{6, 12, 9}, {6, 1, 3}, {5, 10, 1}, {6, 1, 192}, {6, 12, 117}})
	for want, part := range map[string]string{
		"6.5":  "nearest: 6.1.192 below, 6.12.117 above",
		"9.9":  "nearest: 6.12.117 below\n",
		"4.19": "nearest: 5.10.1 above\n",
	} {
		err := &NotFoundError{Want: want, Looked: []string{"here"}, Have: have}
		for _, part := range []string{part, "available: 5.10 6.1 6.12\n", "not found in here", "KERNEL=./vmlinuz"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q is not in:\n%s", want, part, err)
			}
		}
	}
}

func TestFindRefuses(t *testing.T) {
	r := Resolver{Cache: Cache{Dir: t.TempDir()}}
	for _, want := range []string{"", "six", "6", "./no/such/file", "/", "6.1.2.3", "6.1; rm", "6.1+", "6.1+rt+rt", "6.1+Rt", "mainline:", "mainline:latest:1", "apt:vmlinuz", "oci:"} {
		if _, err := r.Find(t.Context(), want); !errors.Is(err, ErrNotNamed) {
			t.Errorf("%q: %v, want %v", want, err, ErrNotNamed)
		}
	}
}

func FuzzCompareDebian(f *testing.F) {
	f.Add("1.0-1", "1.0~rc1-1")
	f.Fuzz(func(t *testing.T, a, b string) {
		if compareDebian(a, b) != -compareDebian(b, a) {
			t.Errorf("%q and %q have no order", a, b)
		}
		if compareDebian(a, a) != 0 {
			t.Errorf("%q is not equal to itself", a)
		}
	})
}

func TestNewestOfLines(t *testing.T) {
	got := newestOfLines([]Version{{6, 2, 1}, {6, 1, 5}, {6, 1, 50}, {6, 2, 0}})
	if want := []Version{{6, 1, 50}, {6, 2, 1}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
