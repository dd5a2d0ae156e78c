package console

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// readLog reads a log that a real kernel wrote.
func readLog(t testing.TB, name string) []byte {
	t.Helper()
	log, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func TestPanic(t *testing.T) {
	for name, want := range map[string]string{
		"6.12-int3-oops-and-panic.log": "Kernel panic - not syncing: Fatal exception in interrupt",
		"6.1-rcu-stall.log":            "",
	} {
		if got := Panic(readLog(t, name)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestTail(t *testing.T) {
	log := "first\r\n\r\n\x1b[31mred\x1b[m\r\n  \r\nlast \x00\xff\n"
	if got := strings.Join(Tail([]byte(log), 2), "|"); got != "[31mred[m|last" {
		t.Errorf("got %q", got)
	}
	if got := Tail(nil, 3); len(got) != 0 {
		t.Errorf("tail of nothing is %q", got)
	}
	if got := Tail(readLog(t, "6.1-rcu-stall.log"), 3); len(got) != 3 {
		t.Errorf("%d lines, want 3", len(got))
	}
}

func FuzzTail(f *testing.F) {
	f.Add([]byte("Kernel panic - not syncing: x\r\n"), 3)
	f.Fuzz(func(t *testing.T, log []byte, n int) {
		n = min(max(n, 0), 100)
		_ = Panic(log)
		for _, line := range Tail(log, n) {
			if strings.ContainsAny(line, "\x1b\r\n\x00") {
				t.Errorf("line %q would control a terminal", line)
			}
		}
	})
}
