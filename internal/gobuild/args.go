// SPDX-License-Identifier: MIT

package gobuild

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Args are the arguments of go test, by who reads them.
type Args struct {
	Build    []string // flags of go list and go test -c
	Test     []string // arguments of a test binary
	Packages []string
	Verbose  bool // -v
}

// Flags of go test, without -test. or a dash. See go help build, testflag.
var (
	buildSwitches = []string{"a", "asan", "cover", "linkshared", "modcacherw", "msan", "n", "race", "trimpath", "work", "x"}
	buildValues   = []string{
		"asmflags", "buildmode", "buildvcs", "compiler", "covermode", "coverpkg", "gccgoflags", "gcflags", "installsuffix",
		"ldflags", "mod", "modfile", "overlay", "p", "pgo", "pkgdir", "tags", "toolexec", "vet",
	}
	testSwitches = []string{"benchmem", "failfast", "fullpath", "short"}
	testValues   = []string{
		"bench", "benchtime", "blockprofilerate", "count", "cpu", "list", "memprofilerate", "mutexprofilefraction", "parallel", "run",
		"shuffle", "skip", "timeout",
	}
	// refused are flags with one meaning for one program, with what to do instead.
	refused = map[string]string{
		"json": "--json FILE writes the events, with the kernel of each", "exec": "ringtwin exec runs the programs",
		"c": "it compiles, and does not run", "o": "the programs are temporary", "i": "Go has it no more",
	}
	single = []string{
		"coverprofile", "cpuprofile", "memprofile", "blockprofile", "mutexprofile", "trace", "outputdir", "testlogfile", "artifacts",
		"fuzz", "fuzztime", "fuzzminimizetime",
	}
)

// Split sorts the arguments of go test. Those behind -args are the programs' own.
func Split(words []string) (*Args, error) {
	a := &Args{}
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		if word == "-args" || word == "--args" {
			a.Test = append(a.Test, words...)
			break
		}
		if !strings.HasPrefix(word, "-") || word == "-" {
			a.Packages = append(a.Packages, word)
			continue
		}
		name, value, has := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(word, "-"), "-"), "=")
		isBuild, takes, err := kindOf(strings.TrimPrefix(name, "test."))
		if err != nil {
			return nil, err
		}
		if takes && !has {
			if len(words) == 0 {
				return nil, fmt.Errorf("-%s needs a value", name)
			}
			value, has, words = words[0], true, words[1:]
		}
		name = strings.TrimPrefix(name, "test.")
		switch flag := name + "=" + value; {
		case name == "v":
			a.Verbose = !has || value != "false"
		case isBuild && has:
			a.Build = append(a.Build, "-"+flag)
		case isBuild:
			a.Build = append(a.Build, "-"+name)
		case has:
			a.Test = append(a.Test, "-test."+flag)
		default:
			a.Test = append(a.Test, "-test."+name)
		}
	}
	if len(a.Packages) == 0 {
		a.Packages = []string{"."}
	}
	return a, nil
}

// kindOf says whose a flag is, and whether it takes a value as a word of its own.
func kindOf(name string) (isBuild, takesValue bool, err error) {
	switch {
	case name == "v" || slices.Contains(testSwitches, name):
		return false, false, nil
	case slices.Contains(testValues, name):
		return false, true, nil
	case slices.Contains(buildSwitches, name):
		return true, false, nil
	case name == "C":
		return false, false, errors.New("-C: go there first")
	case slices.Contains(buildValues, name):
		// -buildvcs may stand alone.
		return true, name != "buildvcs", nil
	case refused[name] != "":
		return false, false, fmt.Errorf("-%s: %s", name, refused[name])
	case slices.Contains(single, name):
		return false, false, fmt.Errorf("-%s is for one program, and there is one for each package and kernel: use go test -exec 'ringtwin exec --kernel KERNEL --'", name)
	}
	return false, false, fmt.Errorf("-%s is no flag of go test; those of a test go behind -args", name)
}
