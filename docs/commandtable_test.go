// SPDX-License-Identifier: MIT

package docs_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// described are the pages of the commands, by the first word.
var described = map[string]string{
	"vmtest": "plans.md", "plan": "plans.md", "merge": "output.md", "run": "plans.md", "exec": "exec.md", "test": "exec.md", "facts": "facts.md", "bisect": "compare.md",
	"kernels": "kernels.md", "hello": "hello.md", "syscalls": "syscalls.md", "selftest": "selftest.md",
	"size": "size.md", "doctor": "install.md", "report": "output.md", "compare": "compare.md", "explain": "why.md", "version": "output.md", "help": "install.md", "completion": "install.md",
}

// commandLine is a command of a list in the program's help; longer text goes on in the
// lines below.
var commandLine = regexp.MustCompile(`^  ([a-z]+(?: [a-z]+)?) {2,}(\S.*)$`)

// commands are those of the program's own help, with those of a group in a row.
func commands(t *testing.T) string {
	if program == "" {
		t.Skip("needs the program: not with -short")
	}
	var rows [][]string
	group := ""
	for _, c := range listed(t, help(t)) {
		word, sub, _ := strings.Cut(c[0], " ")
		page := described[word]
		if _, err := os.Stat(page); err != nil {
			t.Errorf("the command %s has no page: %v", c[0], err)
		}
		switch {
		case sub == "":
			rows = append(rows, []string{fmt.Sprintf("[`%s`](docs/%s)", word, page), escape(c[1])})
		case word == group:
			rows[len(rows)-1][0] += fmt.Sprintf(", `%s`", sub)
		default:
			_, about, _ := strings.Cut(help(t, word), "\n\n")
			about, _, _ = strings.Cut(about, "\n\n")
			rows = append(rows, []string{fmt.Sprintf("[`%s`](docs/%s) `%s`", word, page, sub), escape(strings.Join(strings.Fields(about), " "))})
		}
		group = word
	}
	return table([]string{"command", "what it does"}, rows)
}

func help(t *testing.T, words ...string) string {
	t.Helper()
	text, err := exec.Command(program, append(words, "--help")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// listed are the commands of a help text, and what it says of each.
func listed(t *testing.T, help string) [][2]string {
	t.Helper()
	_, list, ok := strings.Cut(help, "\nCommands:\n")
	list, _, ends := strings.Cut(list, "\n\n")
	if !ok || !ends {
		t.Fatalf("no list of commands in\n%s", help)
	}
	var all [][2]string
	for line := range strings.Lines(list) {
		if m := commandLine.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil {
			all = append(all, [2]string{m[1], m[2]})
		} else {
			all[len(all)-1][1] += " " + strings.TrimSpace(line)
		}
	}
	return all
}
