// SPDX-License-Identifier: MIT

package transport

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"golang.org/x/sys/unix"
)

// Watcher is a reader that notices when CPUs come and go.
type Watcher interface {
	// Has reports whether the reader has a ring of the CPU that works.
	Has(cpu int) bool
}

// rawPerf is a raw reader of perf rings. A CPU that comes gets a ring as soon as the kernel
// says so; what is left in the ring of one that goes is still read.
type rawPerf struct {
	*rawReader
	events  *ebpf.Map
	opts    Options
	live    map[int]bool // CPUs whose ring works
	uevents int          // a socket; -1: none
}

// perfAttr is how rings are opened for a policy.
func perfAttr(p vocab.Policy, ringBytes int) unix.PerfEventAttr {
	switch p.Kind() {
	case vocab.WakeupEvents:
		return unix.PerfEventAttr{Wakeup: uint32(p.N())}
	case vocab.Watermark:
		return unix.PerfEventAttr{Bits: unix.PerfBitWatermark, Wakeup: uint32(p.N())}
	case vocab.Timer:
		return unix.PerfEventAttr{Bits: unix.PerfBitWatermark, Wakeup: uint32(ringBytes - 1)} // see perfOptions
	}
	return unix.PerfEventAttr{Wakeup: 1}
}

func openRawPerf(maps []*ebpf.Map, opts Options) (_ Reader, err error) {
	p := &rawPerf{events: maps[0], opts: opts, live: map[int]bool{}, uevents: -1}
	if p.rawReader, err = newRaw(nil, opts); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	p.listen()
	if err := p.openMissing(); err != nil {
		return nil, err
	}
	if p.uevents >= 0 {
		p.found = p.look
	}
	return p, nil
}

// listen subscribes to the kernel's messages about devices. Without them the reader keeps
// the rings that it opened.
//
// https://elixir.bootlin.com/linux/v6.12/source/lib/kobject_uevent.c
func (p *rawPerf) listen() {
	const kernelGroup = 1
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return
	}
	if unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: kernelGroup}) != nil || p.await(fd) != nil {
		_ = unix.Close(fd)
		return
	}
	p.uevents = fd
	p.cleanup = append(p.cleanup, func() error { return unix.Close(fd) })
}

// look handles the messages that came.
func (p *rawPerf) look() error {
	buffer := make([]byte, 8<<10)
	changed := false
	for {
		n, _, err := unix.Recvfrom(p.uevents, buffer, 0)
		switch {
		case errors.Is(err, unix.EAGAIN) && changed:
			return p.openMissing()
		case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
			return nil
		case errors.Is(err, unix.ENOBUFS): // messages were lost
			p.live, changed = map[int]bool{}, true
			continue
		case err != nil:
			return fmt.Errorf("read messages about CPUs: %w", err)
		}
		// "offline@/devices/system/cpu/cpu1", and key=value, each with a NUL behind it.
		head, _, _ := bytes.Cut(buffer[:n], []byte{0})
		action, path, _ := strings.Cut(string(head), "@")
		number, isCPU := strings.CutPrefix(path, "/devices/system/cpu/cpu")
		cpu, err := strconv.Atoi(number)
		if !isCPU || err != nil {
			continue
		}
		changed = true
		if action == "offline" {
			delete(p.live, cpu)
		}
	}
}

// openMissing opens the rings of online CPUs that have none.
func (p *rawPerf) openMissing() error {
	for cpu := range int(p.events.MaxEntries()) {
		if p.live[cpu] {
			continue
		}
		ring, err := openPerfRing(cpu, p.opts.RingBytes, perfAttr(p.opts.Policy, p.opts.RingBytes), unix.PROT_READ|unix.PROT_WRITE)
		if errors.Is(err, unix.ENODEV) {
			continue // offline
		}
		if err != nil {
			return err
		}
		p.rings = append(p.rings, ring)
		if err := errors.Join(p.await(ring.fd()), ring.enable(p.events)); err != nil {
			return err
		}
		p.live[cpu] = true
	}
	return nil
}

// Has reports whether the CPU has a ring that works.
func (p *rawPerf) Has(cpu int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.live[cpu]
}

func (p *rawPerf) Memory() Memory {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Memory{MapBytes: int64(8 * p.events.MaxEntries()), LockedBytes: lockedBytes(vocab.PerfRings, len(p.rings), p.opts.RingBytes)}
}

// State is what is left in the rings. Their positions are not the ledger's: that of the
// producer counts the records of losses too.
func (p *rawPerf) State() (State, error) {
	s, err := p.rawReader.State()
	return State{ResidualBytes: s.ResidualBytes}, err
}
