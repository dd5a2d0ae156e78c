package main

import (
	"strings"
	"testing"
)

// TestProgressElsewhere: without a terminal a phase is one plain line, said
// when it begins, without control characters.
func TestProgressElsewhere(t *testing.T) {
	var b strings.Builder
	p := newProgress(&b)
	p.phase("6.1: boot")
	p.phase("6.1: probe")
	p.end()
	p.end()
	if got, want := b.String(), "6.1: boot\n6.1: probe\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
