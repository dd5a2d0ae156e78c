// SPDX-License-Identifier: MIT

package vmtest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ringtwin/ringtwin/vmtest/console"
	"github.com/ringtwin/ringtwin/vmtest/wire"
)

// excerptLines is how many lines of a splat are shown.
const excerptLines = 30

// complaints returns an error if the kernel has complained while the program ran. A
// program that was killed for its memory is reported: that is no fault of the kernel's.
func (p *Packed) complaints(guest *Guest, stderr io.Writer, s *wire.Session, ended wire.Ended, last *lastLine) error {
	events, err := guest.Machine.Complaints()
	if err != nil {
		return err
	}
	var killed []console.Event
	events = slices.DeleteFunc(events, func(e console.Event) bool {
		if e.Kind == console.OOM {
			killed = append(killed, e)
		}
		return e.Kind == console.OOM
	})
	for _, e := range killed {
		fmt.Fprintf(stderr, "ringtwin: out of memory, of which the VM has %d MiB (more with --memory): %s\n", guest.machines.spec.MemoryMiB, e.Line)
	}
	events = guest.machines.spec.Allowed.Filter(events)
	if len(events) == 0 {
		return nil
	}
	log, err := os.ReadFile(guest.machines.cfg.Console)
	if err != nil {
		return err
	}
	ahead := clockAhead(log, s.Mark, ended.Marked)
	var text strings.Builder
	for i, e := range events {
		if i > 0 {
			text.WriteString("\n")
		}
		text.WriteString(e.String())
		if line := last.before(e.Time - ahead); line != "" && e.Time >= 0 {
			fmt.Fprintf(&text, "\n  the program had written last: %s", line)
		}
		for _, line := range console.Excerpt(log, e, excerptLines) {
			fmt.Fprintf(&text, "\n  | %s", line)
		}
	}
	return guest.Machine.Splat(fmt.Errorf("the kernel complained while the program ran, which ended with exit code %d: %w", ended.Code, errors.New(text.String())))
}

// clockAhead is by how much the clock of the kernel's log is ahead of the guest's. A mark is
// in the log a little later than the guest says, so the smaller difference is nearer. Where
// the kernel does not trust the CPU's counter, the log's clock may be a few ticks off.
// https://elixir.bootlin.com/linux/v6.12/source/kernel/sched/clock.c
func clockAhead(log []byte, mark string, marked [2]int64) time.Duration {
	var ahead []time.Duration
	for i, what := range []string{" begins", " ended"} {
		if at, ok := console.StampOf(log, mark+what); ok {
			ahead = append(ahead, at-time.Duration(marked[i]))
		}
	}
	if len(ahead) == 0 {
		return 0
	}
	return slices.Min(ahead)
}
