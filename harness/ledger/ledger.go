// Package ledger checks that the counts of a trial can be true: the invariants
// that both transports promise. A breach is a bug, of the harness or of the
// kernel, and never noise.
//
// It reads a record and nothing else, so that a result file can be checked
// again anywhere. It is a pure function.
package ledger

import (
	"fmt"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/transport"
)

// rule is one invariant: both sides must be equal.
type rule struct {
	name        string
	only        bpf.Transport // "": both
	left, right func(*record.Counts, *record.Cell) uint64
}

// The terms of the rules.
type term = func(*record.Counts, *record.Cell) uint64

func zero(*record.Counts, *record.Cell) uint64 { return 0 }

func failed(errno string) term {
	return func(c *record.Counts, _ *record.Cell) uint64 { return c.Failed[errno] }
}

// rules are in the order in which an event meets them on its way.
var rules = []rule{
	{
		name:  "started = attempts + misses",
		left:  func(c *record.Counts, _ *record.Cell) uint64 { return c.Started },
		right: func(c *record.Counts, _ *record.Cell) uint64 { return c.Attempts + c.Misses },
	},
	{
		name:  "triggers = attempts + foreign",
		left:  func(c *record.Counts, _ *record.Cell) uint64 { return c.Triggers },
		right: func(c *record.Counts, _ *record.Cell) uint64 { return c.Attempts + c.Foreign },
	},
	{
		name:  "attempts = submitted + failed + discarded",
		left:  func(c *record.Counts, _ *record.Cell) uint64 { return c.Attempts },
		right: func(c *record.Counts, _ *record.Cell) uint64 { return c.Submitted + c.FailedTotal() + c.Discarded },
	},
	{
		name:  "submitted = delivered + residual",
		left:  func(c *record.Counts, _ *record.Cell) uint64 { return c.Submitted },
		right: func(c *record.Counts, _ *record.Cell) uint64 { return c.Delivered + c.Residual },
	},
	{
		name:  "residual = 0 after the drain",
		left:  func(c *record.Counts, _ *record.Cell) uint64 { return c.Residual },
		right: zero,
	},
	{
		name:  "consumer position = producer position",
		only:  bpf.Ringbuf,
		left:  func(c *record.Counts, _ *record.Cell) uint64 { return c.ConsumerBytes },
		right: func(c *record.Counts, _ *record.Cell) uint64 { return c.ProducerBytes },
	},
	{
		name: "producer position = (submitted + discarded) x footprint",
		only: bpf.Ringbuf,
		left: func(c *record.Counts, _ *record.Cell) uint64 { return c.ProducerBytes },
		right: func(c *record.Counts, cell *record.Cell) uint64 {
			footprint := transport.FootprintBytes(bpf.Ringbuf, cell.PayloadBytes)
			return (c.Submitted + c.Discarded) * uint64(footprint)
		},
	},
	{
		name:  "failed[ENOSPC] = lost reported + lost tail",
		only:  bpf.Perf,
		left:  failed("ENOSPC"),
		right: func(c *record.Counts, _ *record.Cell) uint64 { return c.LostReported + c.LostTail },
	},
	{
		// ENOENT, EOPNOTSUPP, EBUSY and E2BIG would be losses that no reader
		// is ever told of, and that a sound set-up cannot cause.
		name:  "failed = failed[ENOSPC]",
		only:  bpf.Perf,
		left:  func(c *record.Counts, _ *record.Cell) uint64 { return c.FailedTotal() },
		right: failed("ENOSPC"),
	},
	{
		name:  "failed = failed[EAGAIN]",
		only:  bpf.Ringbuf,
		left:  func(c *record.Counts, _ *record.Cell) uint64 { return c.FailedTotal() },
		right: failed("EAGAIN"),
	},
	{
		name:  "sequence gaps = failed + discarded",
		left:  func(c *record.Counts, _ *record.Cell) uint64 { return c.SeqGaps },
		right: func(c *record.Counts, _ *record.Cell) uint64 { return c.FailedTotal() + c.Discarded },
	},
	{
		name:  "missing tokens = failed + discarded + misses",
		left:  func(c *record.Counts, _ *record.Cell) uint64 { return c.MissingTokens },
		right: func(c *record.Counts, _ *record.Cell) uint64 { return c.FailedTotal() + c.Discarded + c.Misses },
	},
	none("duplicates", func(c *record.Counts) uint64 { return c.Duplicates }),
	none("inversions within a CPU", func(c *record.Counts) uint64 { return c.InversionsCPU }),
	none("torn events", func(c *record.Counts) uint64 { return c.Torn }),
	none("misshaped samples", func(c *record.Counts) uint64 { return c.Misshaped }),
	none("unknown tokens", func(c *record.Counts) uint64 { return c.UnknownTokens }),
	none("events that differ from the truth", func(c *record.Counts) uint64 { return c.Mismatched }),
}

func none(name string, of func(*record.Counts) uint64) rule {
	return rule{
		name:  name + " = 0",
		left:  func(c *record.Counts, _ *record.Cell) uint64 { return of(c) },
		right: zero,
	}
}

// Check returns every invariant that applies to the cell's transport. Counts
// must not be nil.
func Check(cell *record.Cell, counts *record.Counts) []record.Invariant {
	var lines []record.Invariant
	for _, r := range rules {
		if r.only != "" && string(r.only) != cell.Transport {
			continue
		}
		left, right := r.left(counts, cell), r.right(counts, cell)
		line := record.Invariant{Invariant: r.name, Holds: left == right, Detail: fmt.Sprint(left)}
		if !line.Holds {
			line.Detail = fmt.Sprintf("%d, not %d", left, right)
		}
		lines = append(lines, line)
	}
	return lines
}
