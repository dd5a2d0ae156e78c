// SPDX-License-Identifier: MIT

package machine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/vmtest/console"
)

// TestLogReader: splats are reported once, with the right line, however the log grows,
// and an endless log does not fill the memory.
func TestLogReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console.log")
	l := &logReader{path: path}
	if events, err := l.next(); err != nil || events != nil {
		t.Errorf("no log yet: %v, %v", events, err)
	}
	for _, step := range []struct {
		write string
		want  []console.Event
	}{
		{"one\r\ntwo\r\n", nil},
		{"INFO: task init:1 blo", nil},
		{"cked for more than 120 seconds.\r\n", []console.Event{{Kind: console.HungTask, Line: "INFO: task init:1 blocked for more than 120 seconds.", At: 3, Time: -1}}},
		{"", nil},
		{strings.Repeat("flood\n", 1<<20), nil},
		{strings.Repeat("x", 3<<20) + "\nOops: 0002 [#1] SMP\n", []console.Event{{Kind: console.Oops, Line: "Oops: 0002 [#1] SMP", At: 3 + 1<<20 + 2, Time: -1}}},
		{"BUG: without an end", nil},
	} {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteString(step.write); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		events, err := l.next()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, events); diff != "" {
			t.Errorf("after %.30q (-want +got):\n%s", step.write, diff)
		}
	}
	if end, err := lastBytes(path, 9); err != nil || string(end) != "ut an end" {
		t.Errorf("end is %q, %v", end, err)
	}
	if worst, ok, err := l.end(); err != nil || !ok || worst.Kind != console.Oops {
		t.Errorf("worst is %+v, %v, %v, want the oops", worst, ok, err)
	}
	if events, err := l.next(); err != nil || len(events) != 1 || events[0].Line != "BUG: without an end" {
		t.Errorf("at the end %v, %v, want what had none", events, err)
	}
}
