// SPDX-License-Identifier: MIT

package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringtwin/ringtwin/harness/vocab"
	"golang.org/x/sys/unix"
)

// Counter is a reader that can count without a look at each event.
type Counter interface {
	Reader
	// Count waits for events, as Read does, and skips all that one ring holds.
	Count() (Total, error)
}

// Releaser is a reader that publishes its position once a batch. Who causes new events
// before the batch is over releases what was read first: a program that wakes by the bytes
// that wait would count them too.
type Releaser interface{ Release() }

// rawReader drains rings in place, one after the other. It publishes a position once all
// that a ring held has been read.
type rawReader struct {
	mu    sync.Mutex // of the rings, which Close unmaps
	rings []ring
	at    int  // the ring that is read
	begun bool // some of it may be left, and the last sample is in it
	idle  int  // how often in a row nothing was found
	// waiting says that a Read sleeps: it frees everything if the reader is closed meanwhile.
	waiting bool

	wait    func(idle int) error
	await   func(fd int) error // adds a descriptor to what is waited for
	wake    int                // an eventfd that ends a wait
	flush   atomic.Bool
	closed  atomic.Bool
	cleanup []func() error // last first; nil after it has been done
	memory  Memory
	// found, if not nil, looks for rings that are new.
	found func() error
	// pauses says that Count waits for more where it found few.
	pauses bool
	// onFlush says that the rings are read only once there was a flush.
	onFlush bool
}

// newRaw returns a reader of the rings, which it closes. Of the options it uses the reader
// and the interval.
func newRaw(rings []ring, opts Options) (_ *rawReader, err error) {
	r := &rawReader{rings: rings, await: func(int) error { return nil }}
	r.cleanup = append(r.cleanup, func() error {
		var errs []error
		for _, ring := range r.rings {
			errs = append(errs, ring.close())
		}
		return errors.Join(errs...)
	})
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	if r.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, fmt.Errorf("make eventfd: %w", err)
	}
	r.cleanup = append(r.cleanup, func() error { return unix.Close(r.wake) })
	switch spec := opts.Reader.Spec(); {
	case spec.Waits:
		w, err := newEpoll(r.wake, opts.Flush)
		if err != nil {
			return nil, err
		}
		r.cleanup = append(r.cleanup, w.close)
		for _, ring := range rings {
			if err := w.add(ring.fd()); err != nil {
				return nil, err
			}
		}
		r.wait, r.await = w.wait, w.add
	case opts.Reader == vocab.Ticker:
		if opts.Flush <= 0 {
			return nil, errors.New("a ticker without an interval: want flush_ms above 0")
		}
		r.wait = func(int) error { return sleep(r.wake, untilTick(time.Now(), opts.Flush)) }
	case opts.Reader == vocab.Snapshot:
		r.wait = func(int) error { return sleep(r.wake, time.Hour) }
	default:
		r.wait = func(idle int) error { return sleep(r.wake, backoff(idle)) }
	}
	return r, nil
}

// look finds a ring that holds something, the next first.
func (r *rawReader) look() bool {
	for range r.rings {
		if r.at >= len(r.rings) {
			r.at = 0
		}
		if r.rings[r.at].begin() {
			r.begun = true
			return true
		}
		r.at++
	}
	return false
}

// few events are not worth another look at once. Each look takes the cache line of the
// positions away from the producer: on two CPUs a ring buffer that is counted delivers 14
// instead of 9 million events of 8 bytes a second with the pause.
const few = 64

// pauseTurns take about as long as a producer takes for [few] events.
const pauseTurns = 1500

// pause gives a producer the time to add more.
func (r *rawReader) pause() {
	for range pauseTurns {
		_ = r.flush.Load()
	}
}

// finish ends the reading of a ring.
func (r *rawReader) finish() {
	r.rings[r.at].end()
	r.begun = false
	r.at++
}

func (r *rawReader) Read(s *Sample) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		if r.closed.Load() {
			return r.closedError()
		}
		if r.begun {
			if r.rings[r.at].next(s) {
				return nil
			}
			r.finish()
		}
		if err := r.more(r.look); err != nil {
			return err
		}
	}
}

func (r *rawReader) Count() (Total, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		if r.closed.Load() {
			return Total{}, r.closedError()
		}
		if r.begun {
			n := r.rings[r.at].count()
			r.finish()
			if r.pauses && n.Events < few {
				r.pause()
			}
			if n.Events > 0 || n.Lost > 0 {
				return n, nil
			}
		}
		if err := r.more(r.look); err != nil {
			return Total{}, err
		}
	}
}

// more waits until look finds something, or the reader is closed.
func (r *rawReader) more(look func() bool) error {
	for {
		if r.closed.Load() {
			return nil
		}
		flush := r.flush.Load() // before the look: it finds all that was there then
		if (flush || !r.onFlush) && look() {
			r.idle = 0
			return nil
		}
		if flush {
			r.flush.Store(false)
			return ErrFlushed
		}
		if r.found != nil {
			if err := r.found(); err != nil {
				return err
			}
		}
		r.idle++
		r.waiting = true
		r.mu.Unlock()
		err := r.wait(r.idle)
		r.mu.Lock()
		r.waiting = false
		if err != nil {
			return err
		}
	}
}

// Flush makes Read return what is there, and then [ErrFlushed].
func (r *rawReader) Flush() error {
	r.flush.Store(true)
	return r.poke()
}

// poke ends a wait.
func (r *rawReader) poke() error {
	if _, err := unix.Write(r.wake, binary.NativeEndian.AppendUint64(nil, 1)); err != nil && err != unix.EAGAIN {
		return fmt.Errorf("wake the reader: %w", err)
	}
	return nil
}

func (r *rawReader) State() (State, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var s State
	for _, ring := range r.rings {
		producer, consumer := ring.positions()
		s.ProducerBytes += producer
		s.ConsumerBytes += consumer
	}
	s.ResidualBytes = s.ProducerBytes - s.ConsumerBytes
	return s, nil
}

func (r *rawReader) Memory() Memory { return r.memory }

// Close ends a Read in progress. Where another goroutine waits, or may still look at a
// sample, the rings stay mapped until its Read returns, or Close is called again.
func (r *rawReader) Close() error {
	again := r.closed.Swap(true)
	if r.wake > 0 && !again {
		if err := r.poke(); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if (r.begun || r.waiting) && !again {
		return nil
	}
	return r.free()
}

// Release gives the space of what was read back to the producer. The last sample is no
// longer valid.
func (r *rawReader) Release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.begun {
		r.rings[r.at].end()
	}
}

// closedError is what a Read returns after Close: nobody looks at a sample any more.
func (r *rawReader) closedError() error { return errors.Join(os.ErrClosed, r.free()) }

// free gives everything back, once.
func (r *rawReader) free() error {
	var errs []error
	for len(r.cleanup) > 0 {
		last := len(r.cleanup) - 1
		errs = append(errs, r.cleanup[last]())
		r.cleanup = r.cleanup[:last]
	}
	r.begun = false
	return errors.Join(errs...)
}

// epoll waits for all rings at once.
type epoll struct {
	fd     int
	every  time.Duration // 0: no limit
	events [8]unix.EpollEvent
	wake   int
}

func newEpoll(wake int, every time.Duration) (*epoll, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make epoll: %w", err)
	}
	w := &epoll{fd: fd, every: every, wake: wake}
	if err := w.add(wake); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *epoll) add(fd int) error {
	if fd < 0 {
		return nil
	}
	if err := unix.EpollCtl(w.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
		return fmt.Errorf("add to epoll: %w", err)
	}
	return nil
}

func (w *epoll) wait(int) error {
	timeout := -1
	if w.every > 0 {
		timeout = int(max(w.every.Milliseconds(), 1))
	}
	n, err := unix.EpollWait(w.fd, w.events[:], timeout)
	if err != nil && err != unix.EINTR {
		return fmt.Errorf("wait for events: %w", err)
	}
	for _, e := range w.events[:max(n, 0)] {
		if int(e.Fd) == w.wake {
			clearEvent(w.wake)
		}
	}
	return nil
}

func (w *epoll) close() error { return unix.Close(w.fd) }

func clearEvent(fd int) {
	var buffer [8]byte
	_, _ = unix.Read(fd, buffer[:])
}

// sleep waits for the time, or until the eventfd is written to.
func sleep(wake int, d time.Duration) error {
	timeout := unix.NsecToTimespec(d.Nanoseconds())
	n, err := unix.Ppoll([]unix.PollFd{{Fd: int32(wake), Events: unix.POLLIN}}, &timeout, nil)
	if err != nil && err != unix.EINTR {
		return fmt.Errorf("sleep: %w", err)
	}
	if n > 0 {
		clearEvent(wake)
	}
	return nil
}

// The sleeps of a reader that polls, as that of Falco does.
const (
	leastSleep = 500 * time.Microsecond
	mostSleep  = 30 * time.Millisecond
)

// backoff is twice as long each time that nothing was found.
func backoff(idle int) time.Duration {
	return min(leastSleep<<min(idle-1, 10), mostSleep)
}

// untilTick is the time until the next multiple of the interval.
func untilTick(now time.Time, every time.Duration) time.Duration {
	return every - time.Duration(now.UnixNano())%every
}
