// SPDX-License-Identifier: MIT

package progress_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringtwin/ringtwin/internal/progress"
)

// TestWithoutTerminal: a phase is one plain line when it begins, without control
// characters.
func TestWithoutTerminal(t *testing.T) {
	var b strings.Builder
	show := progress.New(&b)
	show.Phase("6.1", "boot")
	show.Phase("6.12", "wait")
	show.Phase("6.1", "boot")
	show.Note("emulated")
	show.Phase("6.1", "probe")
	show.Done("6.12", "")
	show.Phase("a\nb\x1b[2J\xff", "\tno\u202esuch\r\nfile\u0085")
	show.Done("6.1", "4 trials measured")
	show.End()
	show.End()
	want := "6.1: boot\n6.12: wait\nemulated\n6.1: probe\na b?[2J?:  no?such  file \n6.1: 4 trials measured\n"
	if got := b.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestNote: what is not about one thing stays above the table, as wide as it may be.
func TestNote(t *testing.T) {
	s := newScreen(t, 8, 20)
	synctest.Test(t, func(t *testing.T) {
		show := progress.New(s.tty)
		show.Phase("6.1", "boot")
		show.Phase("6.12", "boot")
		show.Note("emulation, single-threaded:\nno /dev/kvm")
		s.shows(t, 0, "emulation, single-th", "readed: no /dev/kvm", "6.1   boot  0.0 s", "6.12  boot  0.0 s")
		show.End()
	})
}

// TestEnd: others write below the table, and what follows is a new one.
func TestEnd(t *testing.T) {
	s := newScreen(t, 8, 40)
	synctest.Test(t, func(t *testing.T) {
		show := progress.New(s.tty)
		show.Phase("6.1", "boot")
		show.Phase("6.*", "read package lists")
		show.Done("6.*", "")
		show.Done("6.1", "fetched")
		show.End()
		show.End()
		fmt.Fprintln(s.tty, "first result")
		show.Phase("6.12", "boot")
		pass(400 * time.Millisecond)
		show.Done("6.12", "measured")
		show.End()
		fmt.Fprintln(s.tty, "second result")
		s.shows(t, 0, "6.1  fetched", "first result", "6.12  measured", "second result")
	})
}

// TestHarmless: no name and no phase moves the cursor, or draws outside of its line.
func TestHarmless(t *testing.T) {
	s := newScreen(t, 8, 60)
	synctest.Test(t, func(t *testing.T) {
		show := progress.New(s.tty)
		defer show.End()
		show.Phase("a\x1b[2J\xff", "one\r\ntwo\x1b[5A\u009b9B\b\x7f")
		show.Phase("ü内\u0301\u202e", "\u200b👩\u200d💻\ttab")
		show.Done("b", "done")
		pass(200 * time.Millisecond)
		// Half of a flag: the emulator takes it for wider than the table does.
		show.Phase("b", "done"+strings.Repeat("🇩 ", 40))
		if _, scrolled := s.text(t); scrolled != 0 {
			t.Errorf("%d lines scrolled away", scrolled)
		}
		show.Done("b", "done")
		s.shows(t, 0, "a?[2J?  one  two?[5A?9B??  0.2 s", "ü内\u0301?    ?👩?💻 tab  0.2 s", "b       done")
	})
}

// TestDumb: a terminal that knows no escape sequences gets none.
func TestDumb(t *testing.T) {
	s := newScreen(t, 8, 20)
	t.Setenv("TERM", "dumb")
	show := progress.New(s.tty)
	show.Phase("6.1", "boot")
	show.Done("6.1", "measured")
	show.End()
	s.shows(t, 0, "6.1: boot", "6.1: measured")
}

// TestHidden: of more things than fit, those are shown that are not done, and if
// they are too many, those that come first; of those that are done the last ones.
func TestHidden(t *testing.T) {
	s := newScreen(t, 3, 20)
	synctest.Test(t, func(t *testing.T) {
		show := progress.New(s.tty)
		defer show.End()
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			show.Phase(name, "wait")
		}
		s.shows(t, 0, "a  wait  0.0 s", "b  wait  0.0 s", "c  wait  0.0 s")
		show.Done("b", "done")
		s.shows(t, 0, "a  wait  0.0 s", "c  wait  0.0 s", "d  wait  0.0 s")
		show.Done("a", "done")
		show.Done("d", "done")
		s.shows(t, 0, "c  wait  0.0 s", "d  done", "e  wait  0.0 s")
		show.Done("c", "done")
		show.Done("e", "done")
		s.shows(t, 0, "c  done", "d  done", "e  done")
	})
}

// TestConcurrent: many use one table, while it is drawn.
func TestConcurrent(t *testing.T) {
	s := newScreen(t, 24, 80)
	synctest.Test(t, func(t *testing.T) {
		show := progress.New(s.tty)
		var wg sync.WaitGroup
		var want []string
		for i := range 20 {
			name := fmt.Sprintf("kernel %02d", i)
			want = append(want, name+"  done")
			show.Phase(name, "wait")
			wg.Go(func() {
				for range 5 {
					show.Phase(name, "boot")
					time.Sleep(200 * time.Millisecond)
					show.Phase(name, "measure")
				}
				show.Done(name, "done")
			})
		}
		wg.Wait()
		show.End()
		s.shows(t, 0, want...)
	})
}

// pass lets time pass, and what is drawn by then be drawn.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
