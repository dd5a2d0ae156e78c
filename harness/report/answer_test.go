// SPDX-License-Identifier: MIT

package report

import (
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// overloaded are blocks of a scenario by one clock, in which each side loses so many of
// 1000 events.
func overloaded(clock string, perf, ringbuf uint64) []record.Trial {
	var all []record.Trial
	for block := range 10 {
		for side, lost := range map[string]uint64{"A": perf, "B": ringbuf} {
			transport := vocab.Perf
			if side == "B" {
				transport = vocab.Ringbuf
			}
			all = append(all, record.Trial{
				Status: record.OK, Kernel: record.Kernel{Want: "6.1"}, Machine: record.Machine{Accel: "tcg", Clock: clock},
				Cell:   record.Cell{Transport: transport, Workload: vocab.Storm, ReaderStallMS: record.UntilOver},
				Trial:  record.Place{Side: side, Block: block, Scenario: "stalled-reader"},
				Counts: &record.Counts{Started: 1000, Attempts: 1000, Submitted: 1000 - lost, Delivered: 1000 - lost, Failed: map[string]uint64{"ENOSPC": lost}},
			})
		}
	}
	return all
}

// TestTwoClocks: a scenario measured by both clocks is named once if both have the same
// outcome, and else with each clock.
func TestTwoClocks(t *testing.T) {
	for name, test := range map[string]struct {
		virtual []record.Trial
		has     []string
	}{
		"same":      {overloaded(record.Virtual, 500, 100), []string{"loses 10 % of the events, the perf buffer 50 % (stalled reader)"}},
		"different": {overloaded(record.Virtual, 600, 100), []string{"50 % (stalled reader)", "60 % (stalled reader in virtual time)"}},
		"opposite": {overloaded(record.Virtual, 100, 600), []string{
			"ring buffer (stalled reader), perf buffer (stalled reader in virtual time)", "perf buffer: loses 10 %",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			answers := verdict.Answers(verdict.Compare(append(overloaded(record.Wall, 500, 100), test.virtual...)))
			if len(answers) != 1 {
				t.Fatalf("%d answers", len(answers))
			}
			words := say(&answers[0])
			text := strings.Join(append([]string{words.Use}, words.Reasons...), ". ")
			for _, has := range test.has {
				if strings.Count(text, has) != 1 {
					t.Errorf("%q is not there once:\n%s", has, text)
				}
			}
		})
	}
}
