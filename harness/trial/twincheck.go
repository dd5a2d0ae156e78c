// SPDX-License-Identifier: MIT

package trial

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/transport"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/harness/workload"
)

// TwinCheck is the events that twins delivered for the same programs, each in the order of
// tokens.
type TwinCheck struct {
	Truth []Normal `json:"truth"`
	// Twins are what each delivered. One that only counts has none.
	Twins map[vocab.Transport][]Normal `json:"twins"`
	// Counted is how many events a twin delivered of which nothing else is known.
	Counted map[vocab.Transport]int `json:"counted,omitempty"`
}

// checkUIDs are two users with a message of their own and one without.
var checkUIDs = []uint32{0, 501, 1000}

// side is one of the check's transports.
type side struct {
	kind     vocab.Transport
	twin     *bpf.Twin
	reader   transport.Reader
	consumer *consumer
}

// CheckTwins attaches the twins at once and starts cell.Events programs under three uids.
// The rings hold all of them, so nothing may be lost. The cell's transport and ring size
// are ignored.
func (r *Runner) CheckTwins(ctx context.Context, cell record.Cell, kinds []vocab.Transport) (_ *TwinCheck, err error) {
	load, err := workload.New(ctx, workload.Options{
		Count: cell.Events, UIDs: checkUIDs, FirstToken: nextTokens(),
	})
	if err != nil {
		return nil, fmt.Errorf("start workload: %w", err)
	}
	defer func() { err = errors.Join(err, load.Close()) }()

	var sides []*side
	defer func() {
		for _, s := range sides {
			err = errors.Join(err, s.reader.Close(), s.twin.Close())
		}
	}()
	for _, kind := range kinds {
		s, err := openSide(cell, kind)
		if err != nil {
			return nil, err
		}
		sides = append(sides, s)
	}
	for _, s := range sides {
		if err := s.twin.Attach(); err != nil {
			return nil, err
		}
	}
	for _, s := range sides {
		s.consumer.start(0)
	}
	truth, err := load.Run()
	for _, s := range sides {
		err = errors.Join(err, s.twin.Detach(), s.twin.Flush(r.cpus))
		if !s.kind.Spec().Family.Overwrites {
			err = errors.Join(err, settle(s.twin, s.consumer, time.Now()))
		}
		err = errors.Join(err, s.reader.Flush())
	}
	if err != nil {
		return nil, err // closing the readers ends the consumers
	}
	check := &TwinCheck{Twins: map[vocab.Transport][]Normal{}, Counted: map[vocab.Transport]int{}}
	for _, s := range sides {
		if err := s.consumer.wait(); err != nil {
			return nil, err
		}
		if s.consumer.cell.TotalsOnly() {
			check.Counted[s.kind] = s.consumer.totals.Events
		} else {
			check.Twins[s.kind] = s.events()
		}
	}
	messages := Messages()
	for i := range truth.Starts {
		check.Truth = append(check.Truth, expect(&truth.Starts[i], messages))
	}
	sortByToken(check.Truth)
	return check, nil
}

// checkFlushMS is how often a reader looks that nobody wakes.
const checkFlushMS = 10

// openSide opens a twin of the check. The raw reader has a ring on every CPU, whichever are
// offline.
func openSide(cell record.Cell, kind vocab.Transport) (*side, error) {
	family := kind.Spec().Family
	cell.Transport, cell.Policy = kind, kind.DefaultPolicy()
	cell.RingBytes = roomFor(cell.Events*family.FootprintBytes(cell.PayloadBytes), cell.PayloadBytes)
	cell.FlushMS = checkFlushMS
	if slices.Contains(family.Readers, vocab.Raw) {
		cell.Reader = vocab.Raw
	}
	twin, reader, err := open(cell)
	if err != nil {
		return nil, err
	}
	return &side{kind: kind, twin: twin, reader: reader, consumer: newConsumer(reader, consumerOptions{
		cell: cell,
		most: cell.Events,
		cpu:  -1,
	})}, nil
}

// roomFor is the smallest ring of at least a page that more than holds n bytes, and one
// event.
func roomFor(n, event int) int {
	size := vocab.PageBytes
	for size <= max(n, 2*event) {
		size *= 2
	}
	return size
}

func (s *side) events() []Normal {
	var events []Normal
	for i := range s.consumer.events {
		events = append(events, normalise(&s.consumer.events[i]))
	}
	sortByToken(events)
	return events
}

func sortByToken(events []Normal) {
	slices.SortFunc(events, func(a, b Normal) int {
		switch {
		case a.Token < b.Token:
			return -1
		case a.Token > b.Token:
			return 1
		}
		return 0
	})
}
