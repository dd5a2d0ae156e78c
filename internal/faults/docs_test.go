// SPDX-License-Identifier: MIT

package faults

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/internal/golden"
)

// TestDocs: the table of docs/faults.md is that of the faults, -update writes it anew.
func TestDocs(t *testing.T) {
	var b strings.Builder
	b.WriteString("| fault | status | while the VM starts | exit code |\n| --- | --- | --- | --- |\n")
	for _, f := range faults {
		if f.control {
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.name, f.statuses(f.called), f.statuses(f.early), f.codes())
	}
	golden.Block(t, "../../docs/faults.md", "faults", b.String())
}

// statuses are those that trials may have, in words.
func (f *fault) statuses(all []record.Status) string {
	if f.cutOff {
		return "no record after it"
	}
	var names []string
	for _, s := range all {
		names = append(names, "`"+string(s)+"`")
	}
	if f.may || len(all) == 0 {
		names = append(names, "`"+string(record.OK)+"`")
	}
	return strings.Join(names, " or ")
}

// codes are the tool's exit codes, in words.
func (f *fault) codes() string {
	var names []string
	for _, code := range f.exits {
		if code < 0 {
			names = append(names, "none")
		} else {
			names = append(names, fmt.Sprint(code))
		}
	}
	return strings.Join(names, " or ")
}
