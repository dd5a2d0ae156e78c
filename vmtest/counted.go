// SPDX-License-Identifier: MIT

package vmtest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ringtwin/ringtwin/vmtest/machine"
	"github.com/ringtwin/ringtwin/vmtest/plugin"
	"github.com/ringtwin/ringtwin/vmtest/wire"
)

// CanCount returns an error if the host's QEMU cannot count instructions of machines with
// so many CPUs.
func (h *Host) CanCount(ctx context.Context, cpus int) error {
	return plugin.Supported(ctx, h.QEMU, cpus)
}

// symbols reads the symbols of the machines' kernel, in a machine of its own.
func (m *Machines) symbols(ctx context.Context) (*plugin.Symbols, error) {
	if err := m.Prepare(ctx); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.functions != nil {
		return m.functions, nil
	}
	if text, err := m.snapshot.Kept(symbolsFile); err == nil {
		if functions, err := parseSymbols(text); err == nil {
			m.functions = functions
			return functions, nil
		}
	}
	m.phase("read the kernel's symbols")
	text, err := m.readSymbols(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the kernel's symbols: %w", err)
	}
	functions, err := parseSymbols(text)
	if err != nil {
		return nil, err
	}
	if missing := functions.Missing(); len(missing) > 0 {
		return nil, &machine.UnsupportedError{Reason: fmt.Sprintf("count instructions by function: the symbols of %s lack %s", m.spec.Name, strings.Join(missing, ", "))}
	}
	_ = m.snapshot.Keep(symbolsFile, text) // fails for a read-only cache
	m.functions = functions
	return functions, nil
}

func parseSymbols(text []byte) (*plugin.Symbols, error) {
	var files wire.SymbolFiles
	if err := json.Unmarshal(text, &files); err != nil {
		return nil, fmt.Errorf("read the kernel's symbols: %w", err)
	}
	lines, err := gzip.NewReader(bytes.NewReader(files.Kallsyms))
	if err != nil {
		return nil, fmt.Errorf("read the kernel's symbols: %w", err)
	}
	return plugin.ParseSymbols(lines, bytes.NewReader(files.Modules))
}

// symbolsFile is beside the snapshot.
const symbolsFile = "symbols.json"

func (m *Machines) readSymbols(ctx context.Context) (text []byte, err error) {
	start := m.snapshot.Start
	if m.cfg.Virtual {
		start = m.snapshot.StartVirtualSymbols
	}
	vm, err := start(m.cfg.Console)
	if err != nil {
		return nil, err
	}
	defer vm.Kill()
	if _, err := vm.AwaitReady(ctx); err != nil {
		return nil, err
	}
	ask := vm.Symbols
	if m.cfg.Virtual {
		ask = vm.Answers
	}
	err = ask(ctx, m.cfg.Limits.Restore+m.cfg.Limits.Request, func(body json.RawMessage) error {
		text = bytes.Clone(body)
		return nil
	})
	return text, err
}

// DoCounted is [Guest.Do] with a plugin that counts what the machine executes, and simulates
// caches if there is a model. take gets, with each answer, what reads the counts of some
// parts that are over. The request has a machine of its own in any time: a plugin is there
// from the start.
func (g *Guest) DoCounted(ctx context.Context, request any, timeout time.Duration, model *plugin.Caches, take func(json.RawMessage, func(first, last int) (*plugin.Counted, error)) error) (err error) {
	if g.machines.spec.Cold || g.machines.cfg.Accel != machine.TCG {
		return errors.New("count instructions: only of emulated machines that are restored from a snapshot")
	}
	symbols, err := g.machines.symbols(ctx)
	if err != nil {
		return err
	}
	memory, err := plugin.NewMemory(symbols, g.machines.host.version, g.machines.cfg.CPUs, model)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, memory.Close()) }()
	if !g.machines.cfg.Virtual {
		return g.doCountedInTurns(ctx, request, timeout, memory, take)
	}
	return g.inVirtualTime(ctx, func(s *machine.Snapshot) (*machine.Machine, error) {
		return s.StartVirtualCounted(g.machines.cfg.Console, request, memory)
	}, func() error {
		return g.Machine.Answers(ctx, g.machines.cfg.Limits.Restore+timeout, func(body json.RawMessage) error { return take(body, memory.Read) })
	})
}

func (g *Guest) doCountedInTurns(ctx context.Context, request any, timeout time.Duration, memory *plugin.Memory, take func(json.RawMessage, func(first, last int) (*plugin.Counted, error)) error) error {
	if _, err := g.Complaint(); err != nil {
		return err
	}
	g.Kill()
	var err error
	if g.Machine, err = g.machines.snapshot.StartCounted(g.machines.cfg.Console, memory); err != nil {
		return err
	}
	if _, err := g.Machine.AwaitReady(ctx); err != nil {
		return err
	}
	return g.Machine.Do(ctx, request, timeout, func(body json.RawMessage) error { return take(body, memory.Read) })
}
