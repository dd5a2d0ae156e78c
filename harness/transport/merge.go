// SPDX-License-Identifier: MIT

package transport

import "errors"

// mergedReader takes the sample with the smallest time stamp of all rings. What a ring gets
// after it was found empty can be older than what was taken meanwhile.
type mergedReader struct {
	*rawReader
	time  func(raw []byte) uint64
	heads []head // of each ring
}

// head is the next sample of a ring.
type head struct {
	sample      Sample
	time        uint64
	there, open bool // open: begin was called, and end was not
}

// mergeOf merges the rings of a raw reader.
func mergeOf(reader Reader, time func(raw []byte) uint64) (Reader, error) {
	if time == nil {
		return nil, errors.Join(errors.New("merge rings: the events have no time stamp"), reader.Close())
	}
	switch r := reader.(type) {
	case *rawReader:
		return &mergedReader{rawReader: r, time: time}, nil
	case *rawPerf:
		return &mergedPerf{mergedReader{rawReader: r.rawReader, time: time}, r}, nil
	}
	return reader, nil
}

// mergedPerf is a merged reader of perf rings.
type mergedPerf struct {
	mergedReader
	perf *rawPerf
}

// Has reports whether the CPU has a ring that works.
func (r *mergedPerf) Has(cpu int) bool { return r.perf.Has(cpu) }

// State is that of the perf rings.
func (r *mergedPerf) State() (State, error) { return r.perf.State() }

// Memory is that of the perf rings.
func (r *mergedPerf) Memory() Memory { return r.perf.Memory() }

func (r *mergedReader) Read(s *Sample) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.more(r.look); err != nil {
		return err
	}
	if r.closed.Load() {
		r.begun = false
		return r.closedError()
	}
	h := &r.heads[r.at]
	*s = h.sample
	h.there = false
	return nil
}

// look finds the ring whose next sample is the oldest.
func (r *mergedReader) look() bool {
	for len(r.heads) < len(r.rings) {
		r.heads = append(r.heads, head{})
	}
	r.begun = false
	for i := range r.heads {
		h := &r.heads[i]
		if !h.there {
			h.fill(r.rings[i], r.time)
		}
		if h.there && (!r.begun || h.time < r.heads[r.at].time) {
			r.at, r.begun = i, true
		}
	}
	return r.begun
}

// fill takes the next sample of the ring. A reported loss comes first: it has no time.
func (h *head) fill(r ring, time func(raw []byte) uint64) {
	for {
		if !h.open {
			if h.open = r.begin(); !h.open {
				return
			}
		}
		if h.there = r.next(&h.sample); h.there {
			if h.time = 0; h.sample.Lost == 0 {
				h.time = time(h.sample.Raw)
			}
			return
		}
		r.end()
		h.open = false
	}
}

// Count counts as any raw reader does: there is nothing to merge.
func (r *mergedReader) Count() (Total, error) { return r.rawReader.Count() }
