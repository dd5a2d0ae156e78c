// SPDX-License-Identifier: MIT

package plugin

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Symbols are the functions of a kernel, by address. The zero value has none: what is
// counted is then known by its addresses.
type Symbols struct{ all []symbol }

type symbol struct {
	address uint64
	name    string
	gap     bool // nothing begins here
	module  bool
}

// endOfText is the symbol at the end of the kernel's code. What follows is freed after the
// boot.
const endOfText = "_etext"

// ParseSymbols reads the functions from /proc/kallsyms, and the ends of modules from
// /proc/modules.
func ParseSymbols(kallsyms, modules io.Reader) (*Symbols, error) {
	s := &Symbols{}
	end := uint64(math.MaxUint64)
	for lines := bufio.NewScanner(kallsyms); ; {
		if !lines.Scan() {
			if err := lines.Err(); err != nil {
				return nil, fmt.Errorf("read symbols: %w", err)
			}
			break
		}
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 || !strings.Contains("tTwW", fields[1]) {
			continue
		}
		module := len(fields) == 4
		if module && (fields[3] == "[bpf]" || strings.HasPrefix(fields[3], "[__builtin")) {
			continue // comes and goes
		}
		address, err := strconv.ParseUint(fields[0], 16, 64)
		if err != nil {
			return nil, fmt.Errorf("read symbols: %q", lines.Text())
		}
		if address == 0 {
			continue // it is hidden from this user
		}
		name := fields[2]
		if module {
			name += " " + fields[3]
		} else if name == endOfText {
			end = address
		}
		s.all = append(s.all, symbol{address: address, name: name, gap: name == endOfText, module: module})
	}
	for lines := bufio.NewScanner(modules); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 {
			continue
		}
		size, sizeErr := strconv.ParseUint(fields[1], 10, 64)
		address, addressErr := strconv.ParseUint(strings.TrimPrefix(fields[5], "0x"), 16, 64)
		if sizeErr == nil && addressErr == nil && address != 0 {
			s.all = append(s.all, symbol{address: address + size, name: "[end of " + fields[0] + "]", gap: true})
		}
	}
	s.all = slices.DeleteFunc(s.all, func(s symbol) bool { return !s.module && !s.gap && s.address >= end })
	slices.SortFunc(s.all, func(a, b symbol) int {
		return cmp.Or(cmp.Compare(a.address, b.address), better(a.name, b.name))
	})
	s.all = slices.CompactFunc(s.all, func(a, b symbol) bool { return a.address == b.address })
	if len(s.all) > maxFunctions {
		return nil, fmt.Errorf("%d symbols, at most %d", len(s.all), maxFunctions)
	}
	return s, nil
}

// better orders names of one address: that of a function before that of a border of
// sections, the one without underscores, the shorter one.
func better(a, b string) int {
	border := func(s string) int {
		if strings.HasSuffix(s, "_start") || strings.HasSuffix(s, "_end") || strings.HasSuffix(s, "_begin") {
			return 1
		}
		return 0
	}
	under := func(s string) int { return len(s) - len(strings.TrimLeft(s, "_")) }
	return cmp.Or(cmp.Compare(border(a), border(b)), cmp.Compare(under(a), under(b)), cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// special are the functions that the plugin must know, by name or by the beginning of it,
// which a * ends. For accounting, a thread runs from one reading of the run queue's clock
// to another.
//
// update_rq_clock() and task_sched_runtime() in https://elixir.bootlin.com/linux/v6.12/source/kernel/sched/core.c
var special = []struct {
	name string
	role role
}{
	{"sched_clock*", roleClock},
	{"native_sched_clock*", roleClock},
	{"local_clock*", roleClock},
	{"rdtsc_ordered", roleClock},
	{"update_rq_clock*", roleQueue},
	{"task_sched_runtime", roleRuntime},
	{"__schedule", roleSchedule},
	{"__schedule.*", roleSchedule},
	{"__switch_to", roleSwitch},
	{"asm_*", roleEntry},
	{"asm_exc_page_fault", roleFault | rolePage},
	{"asm_exc_general_protection", roleFault},
	{"asm_exc_invalid_op", roleFault | roleOpcode},
	{"asm_exc_divide_error", roleFault},
	{"asm_exc_device_not_available", roleFault | roleOpcode},
	{"asm_exc_stack_segment", roleFault},
	{"asm_exc_segment_not_present", roleFault},
	{"asm_exc_alignment_check", roleFault},
}

// needed are the roles without which no window opens and no thread is followed, with what
// has them.
var needed = []struct {
	role role
	name string
}{
	{roleClock, "sched_clock"}, {roleQueue, "update_rq_clock"}, {roleRuntime, "task_sched_runtime"}, {roleSchedule, "__schedule"}, {roleSwitch, "__switch_to"},
}

// Missing are functions that have to be known and are not: of a kernel without
// CONFIG_KALLSYMS all.
func (s *Symbols) Missing() []string {
	var all role
	for _, symbol := range s.all {
		all |= roleOf(symbol)
	}
	var missing []string
	for _, n := range needed {
		if all&n.role == 0 {
			missing = append(missing, n.name)
		}
	}
	return missing
}

func roleOf(s symbol) role {
	if s.gap {
		return roleGap
	}
	var all role
	for _, f := range special {
		if prefix, cut := strings.CutSuffix(f.name, "*"); s.name == f.name || cut && strings.HasPrefix(s.name, prefix) {
			all |= f.role
		}
	}
	return all
}
