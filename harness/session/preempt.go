// SPDX-License-Identifier: MIT

package session

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

// preemption is how the running kernel preempts itself: none, voluntary, full, lazy, or rt.
// A kernel with CONFIG_PREEMPT_DYNAMIC takes it from preempt= of its command line. Empty
// where the kernel does not say.
//
// sched_dynamic_show() in https://elixir.bootlin.com/linux/v6.12/source/kernel/sched/debug.c
func preemption() string {
	if text, err := os.ReadFile("/sys/kernel/realtime"); err == nil && strings.TrimSpace(string(text)) == "1" {
		return "rt"
	}
	const path = "sched/preempt"
	text, err := os.ReadFile(filepath.Join("/sys/kernel/debug", path))
	if err != nil {
		text = readDebugfs(path)
	}
	return chosen(string(text))
}

// inParentheses is the choice in "none voluntary (full)".
var inParentheses = regexp.MustCompile(`\((\w+)\)`)

func chosen(text string) string {
	if match := inParentheses.FindStringSubmatch(text); match != nil {
		return match[1]
	}
	return ""
}

// readDebugfs reads a file of a debugfs that is mounted for that; nil where it cannot.
func readDebugfs(path string) []byte {
	dir, err := os.MkdirTemp("", "ringtwin-debugfs-")
	if err != nil {
		return nil
	}
	defer os.Remove(dir)
	if unix.Mount("debugfs", dir, "debugfs", unix.MS_RDONLY, "") != nil {
		return nil
	}
	defer func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }()
	text, err := os.ReadFile(filepath.Join(dir, path))
	if err != nil {
		return nil
	}
	return text
}
