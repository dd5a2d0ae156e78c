// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/internal/golden"
	"github.com/ringtwin/ringtwin/internal/testkernels"
	"github.com/ringtwin/ringtwin/internal/testutils"
	"github.com/ringtwin/ringtwin/vmtest/initramfs"
)

// found is a thing that a program has found, or not: then value is "".
type found struct{ subject, thing, value string }

// TestHostTable: what a test suite finds on this host it finds in a VM. It writes the table
// of the page.
func TestHostTable(t *testing.T) {
	t.Parallel()
	testutils.Root(t)
	testutils.QEMU(t)
	probe := filepath.Join(t.TempDir(), "hostprobe")
	run := func(name string, args ...string) string {
		t.Helper()
		out, err := exec.Command(name, args...).Output()
		if err != nil {
			t.Fatalf("%s %q: %v", name, args, err)
		}
		return string(out)
	}
	run("go", "build", "-o", probe, "testdata/hostprobe/main.go")
	kernels, err := testkernels.All(t)
	if err != nil {
		t.Fatal(err)
	}
	words := append([]string{probe}, initramfs.Tools()...)
	here := parseFound(t, run(words[0], words[1:]...))
	there := parseFound(t, run(program, append([]string{"exec", "--kernel", kernels[testkernels.Usual], "--"}, words...)...))
	if len(here) != len(there) || len(here) < 50 {
		t.Fatalf("%d things here, %d there", len(here), len(there))
	}
	for i, thing := range there {
		if here[i].value != "" && thing.value == "" {
			t.Errorf("%s: %s is %s here, and not in the VM", thing.subject, thing.thing, here[i].value)
		}
	}
	golden.Block(t, "../../docs/exec.md", "host", hostTable(there))
}

func parseFound(t *testing.T, text string) []found {
	t.Helper()
	var all []found
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) != 3 {
			t.Fatalf("line %q", line)
		}
		all = append(all, found{fields[0], fields[1], fields[2]})
	}
	return all
}

// hostTable has a line for each subject. The programs are those of the host, whichever it
// has.
func hostTable(all []found) string {
	var subjects []string
	things := map[string][]string{}
	for _, f := range all {
		if f.subject == "programs" {
			continue
		}
		if !slices.Contains(subjects, f.subject) {
			subjects = append(subjects, f.subject)
		}
		text := "`" + f.thing + "`"
		switch f.value {
		case "":
			continue
		case "yes":
		default:
			text += " (" + f.value + ")"
		}
		things[f.subject] = append(things[f.subject], text)
	}
	var b strings.Builder
	b.WriteString("| what | in the VM |\n| --- | --- |\n")
	for _, subject := range subjects {
		fmt.Fprintf(&b, "| %s | %s |\n", subject, strings.Join(things[subject], ", "))
	}
	return b.String()
}
