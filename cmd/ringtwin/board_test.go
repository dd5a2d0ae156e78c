package main

import (
	"strings"
	"testing"
)

// TestBoardElsewhere: without a terminal a phase is one plain line, said when
// it begins, without control characters.
func TestBoardElsewhere(t *testing.T) {
	var b strings.Builder
	show := newBoard(&b)
	show.phase("6.1", "boot")
	show.phase("6.12", "wait")
	show.phase("6.1", "boot")
	show.note("emulated")
	show.phase("6.1", "probe")
	show.forget("6.12")
	show.done("6.1", "4 trials measured")
	show.end()
	show.end()
	want := "6.1: boot\n6.12: wait\nemulated\n6.1: probe\n6.1: 4 trials measured\n"
	if got := b.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestBoardLive: each drawing replaces the one before.
func TestBoardLive(t *testing.T) {
	var b strings.Builder
	show := &board{w: &b, live: true}
	show.phase("6.1", "boot")
	show.phase("6.12", "wait")
	show.end()
	got := b.String()
	if !strings.HasPrefix(got, "6.1  boot") || !strings.Contains(got, "\x1b[1A\x1b[J6.1   boot") || strings.Count(got, "\x1b[2A\x1b[J") < 1 {
		t.Errorf("got %q", got)
	}
}
