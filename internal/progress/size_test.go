// SPDX-License-Identifier: MIT

package progress_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringtwin/ringtwin/internal/progress"
)

// TestSizes: of whatever size a terminal is, the table fits, is drawn in place of
// the one before, and scrolls nothing away.
func TestSizes(t *testing.T) {
	plain := []string{"6.1: boot", "/builds/内核/bzImage: wait", "6.12: fetch", "6.1: 4 trials measured"}
	long := strings.Repeat("long ", 80)
	for _, test := range []struct {
		rows, columns uint16
		begun, done   []string
	}{
		{0, 0, plain[:3], plain},
		{24, 0, plain[:3], plain},
		{0, 80, plain[:3], plain},
		{1, 80,
			[]string{"6.1  boot  1.2 s"},
			[]string{"/builds/内核/bzImage  wait  1.6 s"}},
		{1, 1, []string{"6"}, []string{"/"}},
		{3, 1, []string{"6", "/", "6"}, []string{"6", "/", "6"}},
		{2, 10,
			[]string{"6.1", "/builds/内"},
			[]string{"/builds/内", "6.12"}},
		{3, 9,
			[]string{"6.1", "/builds/", "6.12"}, // half of a wide character is none
			[]string{"6.1", "/builds/", "6.12"}},
		{24, 80,
			[]string{"6.1                   boot  1.2 s", "/builds/内核/bzImage  wait  1.2 s", "6.12                  fetch  1.2 s"},
			[]string{"6.1                   4 trials measured", "/builds/内核/bzImage  wait  1.6 s", "6.12                  fetch  1.6 s"}},
		{24, 300,
			[]string{"6.1                   boot  1.2 s", "/builds/内核/bzImage  wait  1.2 s", "6.12                  fetch  1.2 s"},
			[]string{"6.1                   4 trials measured", "/builds/内核/bzImage  wait  1.6 s", "6.12                  fetch  1.6 s"}},
	} {
		t.Run(fmt.Sprintf("%dx%d", test.rows, test.columns), func(t *testing.T) {
			s := newScreen(t, test.rows, test.columns)
			synctest.Test(t, func(t *testing.T) {
				show := progress.New(s.tty)
				defer show.End()
				show.Phase("6.1", "boot")
				show.Phase("/builds/内核/bzImage", "wait")
				show.Phase("6.12", "fetch")
				pass(1200 * time.Millisecond)
				s.shows(t, 0, test.begun...)
				show.Done("6.1", "4 trials measured")
				pass(400 * time.Millisecond)
				s.shows(t, 0, test.done...)
				if test.rows == 0 || test.columns == 0 {
					return
				}
				for range 3 {
					show.Phase("6.1", long)
					pass(time.Second)
					show.Phase("6.12", long)
				}
				if _, scrolled := s.text(t); scrolled != 0 {
					t.Errorf("%d lines scrolled away", scrolled)
				}
			})
		})
	}
}

// TestResized: a terminal gets another size between two draws, with a line of
// others above the table.
func TestResized(t *testing.T) {
	above, plain := "$ ringtwin", []string{"6.1: boot", "mainline:6.5: fetch linux-image-unsigned-6.5.13", "6.12: wait"}
	whole := func(time string) []string {
		return []string{
			"6.1           boot  " + time,
			"mainline:6.5  fetch linux-image-unsigned-6.5.13  " + time,
			"6.12          wait  " + time,
		}
	}
	narrow := []string{"6.1           boot", "mainline:6.5  fetch", "6.12          wait"}
	type shown struct {
		rows, columns uint16
		scrolled      int // because the terminal was resized, or to make room for the table
		lines         []string
	}
	for _, test := range []struct {
		name          string
		before, after shown
	}{
		{"known", shown{0, 0, 0, join(above, plain)}, shown{24, 80, 0, join(above, plain, whole("0.8 s"))}},
		{"known at last", shown{24, 0, 0, join(above, plain)}, shown{2, 10, 8, []string{"6.1", "mainline:6"}}},
		{"unknown", shown{24, 80, 0, join(above, whole("0.2 s"))}, shown{0, 0, 0, join(above, whole("0.2 s"))}},
		{"narrower", shown{24, 80, 0, join(above, whole("0.2 s"))}, shown{24, 20, 0, join(above, narrow)}},
		{"wider", shown{24, 20, 0, join(above, narrow)}, shown{24, 80, 0, join(above, whole("0.8 s"))}},
		{"lower", shown{24, 80, 0, join(above, whole("0.2 s"))}, shown{3, 80, 1, whole("0.8 s")}},
		{"lower than the table", shown{24, 80, 0, join(above, whole("0.2 s"))}, shown{2, 80, 2, whole("0.8 s")[:2]}},
		{"higher", shown{3, 80, 1, whole("0.2 s")}, shown{24, 80, 0, whole("0.8 s")}},
		{"narrower and lower", shown{24, 80, 0, join(above, whole("0.2 s"))}, shown{8, 10, 5, []string{"6.1", "mainline:6", "6.12"}}},
		{"one column", shown{24, 80, 0, join(above, whole("0.2 s"))}, shown{24, 1, 10 + 25 + 54 + 25 - 24, []string{"6", "m", "6"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScreen(t, test.before.rows, test.before.columns)
			synctest.Test(t, func(t *testing.T) {
				show := progress.New(s.tty)
				defer show.End()
				fmt.Fprintln(s.tty, above)
				show.Phase("6.1", "boot")
				show.Phase("mainline:6.5", "fetch linux-image-unsigned-6.5.13")
				show.Phase("6.12", "wait")
				pass(200 * time.Millisecond)
				s.shows(t, test.before.scrolled, test.before.lines...)
				s.resize(t, test.after.rows, test.after.columns)
				for range 3 {
					pass(200 * time.Millisecond)
				}
				s.shows(t, test.after.scrolled, test.after.lines...)
			})
		})
	}
}

func join(above string, below ...[]string) []string {
	return append([]string{above}, slices.Concat(below...)...)
}
