// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

// TestTerminal runs the real program on pseudo-terminals: progress and help work without
// a known size, and results stand on lines of their own.
func TestTerminal(t *testing.T) {
	testutils.Time(t)            // to build the program
	image := make([]byte, 0x600) // enough of one to know its release
	copy(image[0x202:], "HdrS")
	image[0x20f] = 0x03 // the version string is at 0x500
	copy(image[0x500:], "6.5.13-test (builder)\x00")
	path := filepath.Join(t.TempDir(), "vmlinuz")
	if err := os.WriteFile(path, image, 0o644); err != nil {
		t.Fatal(err)
	}
	result := "vmlinuz  6.5.13-test  " + path + "\r\n"
	for _, size := range []pty.Winsize{{}, {Rows: 24}, {Cols: 80}, {Rows: 1, Cols: 1}, {Rows: 2, Cols: 10}, {Rows: 24, Cols: 80}} {
		t.Run(fmt.Sprintf("%dx%d", size.Rows, size.Cols), func(t *testing.T) {
			got := onTerminal(t, size, "kernels", "fetch", path)
			table := "vmlinuz  6.5.13-test"
			table = "\x1b[?7l" + table[:min(len(table), int(size.Cols))] + "\x1b[?7h"
			if size.Rows == 0 || size.Cols == 0 {
				if want := "vmlinuz: 6.5.13-test\r\n" + result; got != want {
					t.Errorf("output %q, want %q", got, want)
				}
			} else if !strings.HasPrefix(got, table) || !strings.HasSuffix(got, table+"\r\n"+result) {
				t.Errorf("output %q, want a table of %q, and below it %q", got, table, result)
			}
			if help := onTerminal(t, size, "--help"); !strings.HasPrefix(help, "Usage: ringtwin") {
				t.Errorf("help %q", help)
			}
		})
	}
}

// onTerminal returns what the program writes to a terminal of that size.
func onTerminal(t *testing.T, size pty.Winsize, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "TERM=xterm", "COLUMNS=", "RINGTWIN_CACHE="+t.TempDir())
	terminal, err := pty.StartWithSize(cmd, &size)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	out, err := io.ReadAll(terminal)
	// Linux reports EIO once nobody has the other end open any more.
	if !errors.Is(err, syscall.EIO) {
		t.Errorf("read terminal: %v", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v\n%s", args, err, out)
	}
	return string(out)
}
