// SPDX-License-Identifier: MIT

package testutils

import (
	"bufio"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// looksAtClock matches the lines of tests that wait for time, or look how much has
// passed.
var looksAtClock = regexp.MustCompile(`time\.(Sleep|Since|Until|After|AfterFunc|NewTimer|NewTicker|Tick)\(|context\.With(Timeout|Deadline)|Set(Read|Write)?Deadline\(|\.Add\(Limit|\bsleep \d`)

// TestEveryLookAtTheClockHasAReason: tests that use time must pass on a machine that is
// ten times slower and ten times busier. testdata/clock.txt gives the reason for each
// line; a test whose line is missing must wait for an event instead.
func TestEveryLookAtTheClockHasAReason(t *testing.T) {
	want := reasons(t)
	var used []string
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") && !strings.HasSuffix(path, ".txtar") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			if !looksAtClock.MatchString(line) || strings.HasPrefix(line, "var looksAtClock") {
				continue
			}
			key := name + ": " + line
			if !want[key] {
				t.Errorf("%s\nlooks at the clock: wait for the event (testutils.WaitFor), use testing/synctest, or give a reason in testdata/clock.txt", key)
			}
			used = append(used, key)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for key := range want {
		if !slices.Contains(used, key) {
			t.Errorf("%s\nis in testdata/clock.txt, and in no test any more", key)
		}
	}
}

// reasons reads testdata/clock.txt: paragraphs of a reason, a line that begins with #,
// and the lines that it is for.
func reasons(t *testing.T) map[string]bool {
	t.Helper()
	file, err := os.Open("testdata/clock.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines, reason := map[string]bool{}, false
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		switch line := scanner.Text(); {
		case line == "":
			reason = false
		case strings.HasPrefix(line, "# "):
			reason = true
		case !reason:
			t.Errorf("%s: without a reason above it", line)
		default:
			lines[line] = true
		}
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}
