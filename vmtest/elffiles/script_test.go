// SPDX-License-Identifier: MIT

package elffiles

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestInterpreterOf(t *testing.T) {
	long := strings.Repeat("x", 300)
	for name, test := range map[string]struct{ head, path, argument, err string }{
		"one":                 {head: "#!/bin/sh\necho\n", path: "/bin/sh"},
		"blanks":              {head: "#! \t/bin/sh \t-eu  -x \t\n", path: "/bin/sh", argument: "-eu  -x"},
		"no line end":         {head: "#!/bin/sh", path: "/bin/sh"},
		"NUL":                 {head: "#!/bin/sh\x00junk\n", path: "/bin/sh"},
		"nothing":             {head: "#!\n", err: "names no interpreter"},
		"blanks alone":        {head: "#!  \t\n", err: "names no interpreter"},
		"too long":            {head: "#!/" + long, err: "longer than the 256 bytes"},
		"argument is cut off": {head: "#!/bin/sh " + long, path: "/bin/sh", argument: long[:256-len("#!/bin/sh ")]},
	} {
		t.Run(name, func(t *testing.T) {
			path, argument, err := interpreterOf([]byte(test.head[:min(len(test.head), scriptHead)]))
			if path != test.path || argument != test.argument || (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("%q, %q, %v", path, argument, err)
			}
		})
	}
}

func TestStartedByEnv(t *testing.T) {
	for argument, want := range map[string]string{
		"": "", "python3": "python3", "-S python3 -u": "python3", "-Spython3 -u": "python3", "-S A=b -i sh": "sh", "A=b": "",
	} {
		if got := startedByEnv(argument); got != want {
			t.Errorf("%q: %q, want %q", argument, got, want)
		}
	}
}

// TestScript: a script needs its interpreter and what that needs; an interpreter may be a
// script, as often as the kernel allows.
func TestScript(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	all := []string{write("s0", "#!/bin/sh\n")}
	for i := 1; i < maxDepth; i++ {
		all = append(all, write(fmt.Sprintf("s%d", i), "#!"+all[i-1]+"\n"))
	}
	empty := write("empty", "")
	tool := write("tool", "#!/bin/sh\n")
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	for name, test := range map[string]struct {
		text    string
		want    []string
		missing string
		err     string
	}{
		"sh":                   {text: "#!/bin/sh -e\n", want: []string{"/bin/sh"}},
		"file as its argument": {text: "#!/bin/sh " + empty + "\n", want: []string{"/bin/sh", empty}},
		"env":                  {text: "#!/usr/bin/env sh\n", want: []string{"/usr/bin/env", "/usr/bin/sh"}},
		"env, elsewhere":       {text: "#!/usr/bin/env tool\n", want: []string{"/usr/bin/env", tool, "/usr/bin/tool", "/bin/sh"}},
		"as deep as allowed":   {text: "#!" + all[maxDepth-2] + "\n", want: append([]string{"/bin/sh"}, all[:maxDepth-1]...)},
		"too deep":             {text: "#!" + all[maxDepth-1] + "\n", err: "more than 5 times"},
		"no interpreter":       {text: "#!/no/such -x\n", missing: "/no/such"},
		"not in PATH":          {text: "#!/usr/bin/env nosuchtool\n", missing: "nosuchtool"},
		"not a program":        {text: "#!/etc/hostname\n", err: "/etc/hostname"},
	} {
		t.Run(name, func(t *testing.T) {
			script := write("script", test.text)
			needs, err := Needs(script, "amd64")
			var missing *MissingError
			switch {
			case test.missing != "":
				if !errors.As(err, &missing) || missing.Files[0] != (Missing{test.missing, script}) {
					t.Errorf("%v, want %s to be missing", err, test.missing)
				}
				return
			case test.err != "":
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("%v, want %q", err, test.err)
				}
				return
			case err != nil:
				t.Fatal(err)
			}
			for _, path := range test.want {
				if !slices.ContainsFunc(needs, func(n Need) bool { return n.Path == path }) {
					t.Errorf("no %s in %v", path, needs)
				}
			}
			runAlone(t, script, needs)
		})
	}
}

// FuzzInterpreterOf: any first line names an interpreter, or is refused.
func FuzzInterpreterOf(f *testing.F) {
	f.Add("#!/bin/sh -e\n")
	f.Add("#! \t\n")
	f.Fuzz(func(t *testing.T, head string) {
		head = "#!" + head
		path, argument, err := interpreterOf([]byte(head[:min(len(head), scriptHead)]))
		if err == nil && (path == "" || strings.ContainsAny(path, " \t\n\x00") || strings.Contains(argument, "\n")) {
			t.Errorf("%q: %q, %q", head, path, argument)
		}
	})
}
