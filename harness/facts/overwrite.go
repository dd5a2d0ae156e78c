// SPDX-License-Identifier: MIT

package facts

import (
	"errors"

	"golang.org/x/sys/unix"
)

// overwritingRing makes a ring buffer of a page that overwrites its oldest records.
func (t *T) overwritingRing() *ring {
	m, err := tryRing(page, rbOverwrite)
	if errors.Is(err, unix.EINVAL) {
		t.absent(err)
	}
	t.must("make ring buffer", err)
	t.must("close", m.Close())
	return t.ring(page, rbOverwrite)
}

func ringOverwrite(t *T) {
	ring := t.overwritingRing()
	output, query := t.output(ring.Map), t.queryProgram(ring.Map)
	kept := func() []uint64 {
		return numbers(ring.between(uint64(t.run(query, overwritePosition)), ring.produced()))
	}
	var newest []uint64 // that fit
	const total = 100
	size := func(n uint64) int { return int(8 + n*104%1000) }
	for n, free := uint64(total), page-1; n > 0 && ringFootprint(size(n-1)) <= free; n-- {
		free -= ringFootprint(size(n - 1))
		newest = append([]uint64{n - 1}, newest...)
	}
	refused := 0
	for n := range uint64(total) {
		if output(size(n), n) != 0 {
			refused++
		}
	}
	t.check("refused of 100 of 8 to 1000 bytes", 0, refused)
	t.check("kept", newest, kept())

	const held = 2000
	free := page - headerSize - ringFootprint(held) // all but the byte that a ring never holds
	t.check("up to a held record", "reserved", t.reserve(t.reserveTwoProgram(ring.Map, held, free-headerSize)))
	t.check("then kept", []uint64{1, 2}, kept())
	t.check("one byte more", "second NULL", t.reserve(t.reserveTwoProgram(ring.Map, held, free-headerSize+1)))
	ring.consume(ring.produced())
	t.check("the same when all is read", "second NULL", t.reserve(t.reserveTwoProgram(ring.Map, held, free-headerSize+1)))
	t.check("when none is held", nil, output(held, 3))
}

// between are the records between two positions that were not discarded.
func (r *ring) between(first, end uint64) []record {
	var all []record
	for at := first; at < end; {
		rec := r.at(at)
		if !rec.discarded {
			all = append(all, rec)
		}
		at += uint64(ringFootprint(rec.length))
	}
	return all
}

func overwritingWakes(t *T) {
	ring := t.overwritingRing()
	output := t.output(ring.Map)
	send := func(n int) bool {
		for range n {
			t.ok(output(100, 0))
		}
		return ring.woken()
	}
	const again = 256 // records of 112 bytes until one begins at offset 0 of a page
	ring.wait()
	t.check("first wakes", true, send(1))
	t.check("the next 255", false, send(again-1))
	t.check("the one after", true, send(1))
	t.check("the next 255", false, send(again-1))
	ring.consume(ring.produced())
	t.check("first after the reader moved its position", true, send(1))
	t.check("the next 255", false, send(again-1))
	t.ok(t.outputWith(ring.Map, forceWakeup)(100, 0))
	t.check("with FORCE_WAKEUP", true, ring.woken())
}
