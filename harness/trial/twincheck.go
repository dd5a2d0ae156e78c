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

// TwinCheck is the events that both twins delivered for the same programs, each in the
// order of tokens.
type TwinCheck struct {
	Truth   []Normal `json:"truth"`
	Perf    []Normal `json:"perf"`
	Ringbuf []Normal `json:"ringbuf"`
}

// checkUIDs are two users with a message of their own and one without.
var checkUIDs = []uint32{0, 501, 1000}

// side is one of the check's transports.
type side struct {
	twin     *bpf.Twin
	reader   transport.Reader
	consumer *consumer
}

// CheckTwins attaches both twins at once and starts cell.Events programs under
// three uids. The rings hold all of them, so nothing may be lost. The cell's
// transport and ring size are ignored.
func (r *Runner) CheckTwins(ctx context.Context, cell record.Cell) (_ *TwinCheck, err error) {
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
	for _, kind := range []vocab.Transport{vocab.Perf, vocab.Ringbuf} {
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
		err = errors.Join(err, s.twin.Detach(), settle(s.twin, s.consumer, time.Now()), s.reader.Flush())
	}
	if err != nil {
		return nil, err // closing the readers ends the consumers
	}
	for _, s := range sides {
		if err := s.consumer.wait(); err != nil {
			return nil, err
		}
	}
	comparison := &TwinCheck{Perf: sides[0].events(), Ringbuf: sides[1].events()}
	messages := Messages()
	for i := range truth.Starts {
		comparison.Truth = append(comparison.Truth, expect(&truth.Starts[i], messages))
	}
	sortByToken(comparison.Truth)
	return comparison, nil
}

func openSide(cell record.Cell, kind vocab.Transport) (*side, error) {
	cell.Transport, cell.Policy = kind, kind.DefaultPolicy()
	cell.RingBytes = roomFor(cell.Events * kind.FootprintBytes(cell.PayloadBytes))
	twin, reader, err := open(cell)
	if err != nil {
		return nil, err
	}
	return &side{twin: twin, reader: reader, consumer: newConsumer(reader, consumerOptions{
		workload:    vocab.Execve,
		eventBytes:  cell.PayloadBytes,
		sampleBytes: kind.SampleBytes(cell.PayloadBytes),
		most:        cell.Events,
		cpu:         -1,
	})}, nil
}

// roomFor is the smallest ring of at least a page that more than holds n bytes.
func roomFor(n int) int {
	size := 4096
	for size <= n {
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
