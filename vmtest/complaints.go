// SPDX-License-Identifier: MIT

package vmtest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/vmtest/console"
)

// excerptLines is how many lines of a splat are shown.
const excerptLines = 30

// complaints returns an error if the kernel has complained while the program ran. A
// program that was killed for its memory is reported: that is no fault of the kernel's.
func (p *Packed) complaints(guest *Guest, stderr io.Writer, code int, last *lastLine) error {
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
	stamps := console.Stamps(log)
	var text strings.Builder
	for i, e := range events {
		if i > 0 {
			text.WriteString("\n")
		}
		text.WriteString(e.String())
		if line := last.before(e.At, stamps); line != "" {
			fmt.Fprintf(&text, "\n  the program had written last: %s", line)
		}
		for _, line := range console.Excerpt(log, e, excerptLines) {
			fmt.Fprintf(&text, "\n  | %s", line)
		}
	}
	return guest.Machine.Splat(fmt.Errorf("the kernel complained while the program ran, which ended with exit code %d: %w", code, errors.New(text.String())))
}
