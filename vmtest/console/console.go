// Package console reads what a kernel wrote on its console. Its functions are
// pure: bytes in, findings out.
package console

import (
	"bytes"
	"regexp"
	"strings"
)

// panicLine is the head line of panic() in
// https://elixir.bootlin.com/linux/v6.12/source/kernel/panic.c
var panicLine = regexp.MustCompile(`Kernel panic - not syncing: .*`)

// Panic returns the line of the first kernel panic, or "".
func Panic(log []byte) string {
	return string(bytes.TrimRight(panicLine.Find(log), "\r\n"))
}

// Tail returns the last n lines that are not empty, without carriage returns
// and other control characters.
func Tail(log []byte, n int) []string {
	var lines []string
	for line := range strings.Lines(string(log)) {
		line = strings.Map(printable, line)
		if strings.TrimSpace(line) != "" {
			lines = append(lines, strings.TrimRight(line, " "))
		}
	}
	return lines[max(len(lines)-n, 0):]
}

func printable(r rune) rune {
	if r < ' ' && r != '\t' || r == 0x7f || r == '\uFFFD' {
		return -1
	}
	return r
}
