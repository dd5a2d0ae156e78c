// SPDX-License-Identifier: MIT

package gobuild

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestSplit(t *testing.T) {
	for name, test := range map[string]struct {
		args string
		want Args
		err  string
	}{
		"nothing":          {want: Args{Packages: []string{"."}}},
		"packages":         {args: "./... m/b", want: Args{Packages: []string{"./...", "m/b"}}},
		"of the build":     {args: "-race -tags a,b -ldflags=-s --cover ./...", want: Args{Build: []string{"-race", "-tags=a,b", "-ldflags=-s", "-cover"}, Packages: []string{"./..."}}},
		"of the program":   {args: "-run ^X$ -short -count=2 --timeout 5s p", want: Args{Test: []string{"-test.run=^X$", "-test.short", "-test.count=2", "-test.timeout=5s"}, Packages: []string{"p"}}},
		"in its own words": {args: "-test.run=X -test.short p", want: Args{Test: []string{"-test.run=X", "-test.short"}, Packages: []string{"p"}}},
		"after packages":   {args: "p -failfast q", want: Args{Test: []string{"-test.failfast"}, Packages: []string{"p", "q"}}},
		"switch off":       {args: "-short=false -cover=false", want: Args{Test: []string{"-test.short=false"}, Build: []string{"-cover=false"}, Packages: []string{"."}}},
		"verbose":          {args: "-v p", want: Args{Verbose: true, Packages: []string{"p"}}},
		"args":             {args: "p -args -x -- y", want: Args{Test: []string{"-x", "--", "y"}, Packages: []string{"p"}}},
		"no value":         {args: "p -run", err: "-run needs a value"},
		"profile":          {args: "-coverprofile=c", err: "-coverprofile is for one program"},
		"json":             {args: "-json", err: "--json FILE"},
		"exec":             {args: "-exec x", err: "ringtwin exec"},
		"unknown":          {args: "-nosuch", err: "-nosuch is no flag of go test"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Split(strings.Fields(test.args))
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("%v, want %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
