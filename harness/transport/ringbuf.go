// SPDX-License-Identifier: MIT

package transport

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"golang.org/x/sys/unix"
)

type ringbufReader struct {
	*ringbuf.Reader
	deadlines
	record ringbuf.Record
	events *ebpf.Map
	// The two position pages of struct bpf_ringbuf, which mmap shows one after
	// the other: https://elixir.bootlin.com/linux/v6.12/source/kernel/bpf/ringbuf.c
	consumer, producer []byte
}

func openRingbuf(maps []*ebpf.Map, opts Options) (Reader, error) {
	events := maps[0]
	reader, err := ringbuf.NewReader(events)
	if err != nil {
		return nil, fmt.Errorf("open ring buffer: %w", err)
	}
	r := &ringbufReader{Reader: reader, deadlines: deadlines{opts.Flush}, events: events}
	r.again(os.ErrDeadlineExceeded, r.SetDeadline) // the first one
	page := os.Getpagesize()
	for offset, mem := range []*[]byte{&r.consumer, &r.producer} {
		*mem, err = unix.Mmap(events.FD(), int64(offset*page), page, unix.PROT_READ, unix.MAP_SHARED)
		if err != nil {
			r.Close()
			return nil, fmt.Errorf("map ring buffer positions: %w", err)
		}
	}
	return r, nil
}

func (r *ringbufReader) Read(s *Sample) error {
	for {
		err := r.ReadInto(&r.record)
		if err == nil {
			break
		}
		if !r.again(err, r.SetDeadline) {
			return err
		}
	}
	s.Raw, s.Lost = r.record.RawSample, 0
	return nil
}

func (r *ringbufReader) State() (State, error) {
	s := State{ProducerBytes: position(r.producer), ConsumerBytes: position(r.consumer)}
	s.ResidualBytes = s.ProducerBytes - s.ConsumerBytes
	return s, nil
}

func position(page []byte) uint64 {
	return atomic.LoadUint64((*uint64)(unsafe.Pointer(&page[0])))
}

// Memory counts the data pages once, although they are mapped twice, and the
// pages of struct bpf_ringbuf, of the consumer's and of the producer's position:
// RINGBUF_NR_META_PAGES in https://elixir.bootlin.com/linux/v6.12/source/kernel/bpf/ringbuf.c
func (r *ringbufReader) Memory() Memory {
	return Memory{LockedBytes: lockedBytes(vocab.BPFRings, 1, r.BufferSize())}
}

// Close may be called twice.
func (r *ringbufReader) Close() error {
	errs := []error{r.Reader.Close()}
	for _, mem := range []*[]byte{&r.consumer, &r.producer} {
		if *mem != nil {
			errs = append(errs, unix.Munmap(*mem))
			*mem = nil
		}
	}
	return errors.Join(errs...)
}
