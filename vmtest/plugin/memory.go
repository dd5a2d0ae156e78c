// SPDX-License-Identifier: MIT

package plugin

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Digest is the SHA-256 of the plugin, in all its builds.
func Digest() [sha256.Size]byte { return sha256.Sum256(slices.Concat(builds[:]...)) }

// Memory is what a plugin shares with this process. A machine that is killed loses nothing
// of it.
type Memory struct {
	symbols *Symbols
	file    *os.File // of the memory
	plugin  *os.File
	mem     []byte
}

// NewMemory is for one machine with so many vCPUs. model is nil for none. The version is
// that of its QEMU, as in "7.2.22 (Debian ...)".
func NewMemory(symbols *Symbols, qemuVersion string, cpus int, model *Caches) (_ *Memory, err error) {
	build, err := buildFor(qemuVersion, cpus)
	if err != nil {
		return nil, err
	}
	m := &Memory{symbols: symbols}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("share memory with plugin: %w", err), m.Close())
		}
	}()
	if m.plugin, err = memfd("ringtwin-plugin"); err != nil {
		return nil, err
	}
	if _, err := m.plugin.Write(build); err != nil {
		return nil, err
	}
	if m.file, err = memfd("ringtwin-counts"); err != nil {
		return nil, err
	}
	if err := m.file.Truncate(int64(sharedBytes)); err != nil {
		return nil, err
	}
	if m.mem, err = unix.Mmap(int(m.file.Fd()), 0, int(sharedBytes), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, err
	}
	functions := array[function](m, functionsAt, len(symbols.all))
	for i, s := range symbols.all {
		functions[i] = function{Address: s.address, Role: roleOf(s)}
	}
	h := m.header()
	if model != nil {
		if err := model.Check(); err != nil {
			return nil, err
		}
		for i, c := range [caches]Cache{l1d: model.L1D, l1i: model.L1I, l2: model.L2} {
			h.Caches[i] = geometry{Sets: uint32(c.sets()), Ways: uint32(c.Ways)}
		}
	}
	h.Functions, h.CPUs, h.Magic = uint64(len(symbols.all)), uint64(cpus), magic
	return m, nil
}

func memfd(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Files are those that QEMU needs, in the order of [Args].
func (m *Memory) Files() []*os.File { return []*os.File{m.plugin, m.file} }

// Args are QEMU's, which has the files from the descriptor on.
func (m *Memory) Args(fd int) []string {
	return []string{"-plugin", fmt.Sprintf("/dev/fd/%d,fd=%d", fd, fd+1)}
}

// Close frees it. A running machine keeps what it has of it.
func (m *Memory) Close() error {
	var errs []error
	if m.mem != nil {
		errs = append(errs, unix.Munmap(m.mem))
	}
	for _, file := range []*os.File{m.file, m.plugin} {
		if file != nil {
			errs = append(errs, file.Close())
		}
	}
	return errors.Join(errs...)
}

func (m *Memory) header() *header { return (*header)(unsafe.Pointer(&m.mem[0])) }

func array[T any](m *Memory, at uintptr, n int) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(&m.mem[at])), n)
}

// Window is what one thread executed between two marks.
type Window struct {
	Kind   int // as marked
	Label  int // how many labels were before it
	Thread uint64
	Stacks []Stack
}

// Stack is what was executed in one call context.
type Stack struct {
	Node   int // of the contexts
	Counts Counts
}

// Context is a function, called in its parent.
type Context struct {
	Parent  int // -1: none
	Name    string
	Address uint64 // of a function without a name
}

// Counted is what was counted until now. Windows that are over do not change any more.
type Counted struct {
	Contexts []Context
	Windows  []Window
}

// Read reads what was counted in the parts from first to last, which are over.
func (m *Memory) Read(first, last int) (*Counted, error) {
	h := m.header()
	if n := atomic.LoadUint64(&h.Fault); n != 0 {
		return nil, fmt.Errorf("the plugin ran out of room for %s", faults[min(n, uint64(len(faults)-1))])
	}
	if atomic.LoadUint64(&h.Running) == 0 {
		return nil, errors.New("the plugin does not run")
	}
	entries := array[entry](m, entriesAt, int(atomic.LoadUint64(&h.Entries)))
	windows := array[window](m, windowsAt, int(atomic.LoadUint64(&h.Windows)))
	nodes := array[node](m, nodesAt, int(atomic.LoadUint64(&h.Nodes)))
	c := &Counted{}
	for i, n := range nodes {
		context := Context{Parent: int(n.Parent)}
		switch {
		case i == 0:
			context.Parent = -1
		case n.Function == user:
			context.Name = "[user space]"
		case n.Function >= stranger:
			context.Address = h.Stranger[n.Function-stranger]
		default:
			context.Name = m.symbols.all[n.Function].name
		}
		c.Contexts = append(c.Contexts, context)
	}
	index := make([]int, len(windows)) // from 1
	for i, w := range windows {
		if int(w.Labels) < first || int(w.Labels) > last {
			continue
		}
		index[i] = len(c.Windows) + 1
		c.Windows = append(c.Windows, Window{Kind: int(w.Kind), Label: int(w.Labels), Thread: w.Thread})
	}
	for _, e := range entries {
		if int(e.Window) < len(windows) && int(e.Node) < len(nodes) {
			n := index[e.Window]
			if n == 0 {
				continue
			}
			w := &c.Windows[n-1]
			w.Stacks = append(w.Stacks, Stack{int(e.Node), e.Count})
		}
	}
	return c, nil
}
