// SPDX-License-Identifier: MIT

package console

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

type row struct {
	want Kind // "" must stay quiet
	line string
}

// rows reads head lines as kernels from 5.10 to 7.3 write them.
func rows(t testing.TB) (all []row) {
	t.Helper()
	for line := range strings.Lines(string(readLog(t, "heads.tsv"))) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) != 3 {
			t.Fatalf("%q: want three fields", line)
		}
		text, err := strconv.Unquote(`"` + strings.ReplaceAll(fields[1], `"`, `\"`) + `"`)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		kind := Kind(fields[0])
		if kind == "none" {
			kind = ""
		}
		all = append(all, row{kind, text})
	}
	return all
}

func kinds(events []Event) string {
	var all []string
	for _, event := range events {
		all = append(all, fmt.Sprintf("%s %d", event.Kind, event.At))
	}
	return strings.Join(all, ", ")
}

// TestHeads: each head line, alone and on a console with time stamps.
func TestHeads(t *testing.T) {
	seen := map[Kind]bool{}
	for _, row := range rows(t) {
		seen[row.want] = true
		for name, log := range map[string]string{
			"alone":        "before\r\n%s\r\nafter\n",
			"without end":  "before\r\n%s",
			"after a boot": "[    0.000000] Linux version 6.1\r\n%s\r\n",
		} {
			if name == "after a boot" && !strings.Contains(row.line, "[    1.0]") && !strings.Contains(row.line, "[  709.6]") {
				continue
			}
			want := ""
			if row.want != "" {
				want = fmt.Sprintf("%s 2", row.want)
			}
			if got := kinds(Scan([]byte(fmt.Sprintf(log, row.line)))); got != want {
				t.Errorf("%s: %q: got %q, want %q", name, row.line, got, want)
			}
		}
	}
	for _, kind := range worstFirst {
		if !seen[kind] {
			t.Errorf("no row of kind %s", kind)
		}
	}
}

// TestPrefixes: the same head lines behind all that may stand in front of them.
func TestPrefixes(t *testing.T) {
	for _, row := range rows(t) {
		text, ok := strings.CutPrefix(row.line, "[    1.0] ")
		if !ok || strings.Contains(text, "[    1.") {
			continue
		}
		for _, prefix := range []string{
			"", "[    1.234567] ", "[12345.678901][    T1] ", "[    1.0][ C0] ", "<4>[    0.000000] ", "<4>", "[    T1] ",
			"login: [    1.0] ", "\x1b[0m[    1.0] ", "\x1b]0;title\x1b\\$ [    1.0] ", "\x1b[2J\x1b[H\x1b(B", "done\r[    1.0] ", "done\r",
			"[    1.0] [    1.0] ", "\a\x00[    1.0] ",
		} {
			want := ""
			if row.want != "" {
				want = fmt.Sprintf("%s 1", row.want)
			}
			if got := kinds(Scan([]byte(prefix + text + "\r\n"))); got != want {
				t.Errorf("%q: got %q, want %q", prefix+text, got, want)
			}
		}
	}
}

// TestProgramsText: what a program writes is none of the kernel's, on a console whose lines
// have time stamps.
func TestProgramsText(t *testing.T) {
	const boot = "[    0.000000] Linux version 6.1\r\n[    9.000000] Run /init as init process\r\n"
	for _, row := range rows(t) {
		text, ok := strings.CutPrefix(row.line, "[    1.0] ")
		if !ok || strings.Contains(text, "[    1.") {
			continue
		}
		for name, line := range map[string]string{
			"a line":            text,
			"a test's log":      "    foo_test.go:12: " + text,
			"an old one quoted": "dmesg said: [    1.000000] " + text,
		} {
			if got := Scan([]byte(boot + line + "\r\n")); len(got) != 0 {
				t.Errorf("%s: %q is %v", name, line, got)
			}
		}
		// printk.time=0, but the first lines were written before that was read.
		const untimed = "[    0.000000] Linux version 6.1\r\nRun /init as init process\r\n"
		if got := kinds(Scan([]byte(untimed + text + "\r\n"))); row.want != "" && got != fmt.Sprintf("%s 3", row.want) {
			t.Errorf("without time stamps: %q is %q, want %s", text, got, row.want)
		}
	}
}
