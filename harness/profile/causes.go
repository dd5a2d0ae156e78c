// SPDX-License-Identifier: MIT

package profile

import (
	"slices"
	"strconv"
	"strings"
)

// Cause is a known reason why functions of the kernel take more or fewer instructions
// since a version.
type Cause struct {
	// Since is the first version: of Linux, or of Debian's kernels where Commit is empty.
	Since     string   `json:"since"`
	Functions []string `json:"functions"` // or the beginning of several, which a * ends
	// What changed: the title of the commit, or what is not one.
	What   string `json:"what"`
	Commit string `json:"commit,omitempty"` // of Linux; empty: the configuration, or the compiler
	// Effect says how many instructions of which that is, for each event.
	Effect string `json:"effect"`
}

// causes are in the order of versions. Each was read in the source or in a disassembly of
// the kernels that docs/why.md compares.
var causes = []Cause{
	{"5.12", []string{"__rcu_read_lock", "__rcu_read_unlock", "rcu_read_unlock_strict"}, "preempt: Introduce CONFIG_PREEMPT_DYNAMIC", "6ef869e06474", "+18: with it RCU read sections are function calls"},
	{"5.15", []string{"perf_event_output"}, "hardening: Clarify Kconfig text for auto-var-init", "dcb7c0b9461c", "+12: with gcc 12 two structures on the stack are cleared"},
	{"5.16", []string{"bpf_prog_*"}, "bpf,x64 Emit IMUL instead of MUL for x86-64", "c0354077439b", "-12 or -14: a multiplication takes one instruction, not up to eight"},
	{"6.1", []string{"perf_prepare_sample"}, "perf: Use sample_flags for raw_data, and others that test what a sample has", "838d9bb62d13", "+18"},
	{"6.1", []string{"__output_copy*", "perf_output_copy", "perf_output_put_handle", "perf_output_end"}, "other inlining of the same source; gcc 12 instead of gcc 10 is likely", "", "+37 together"},
	{"6.3", []string{"perf_prepare_sample", "__perf_event_header__init_id", "perf_event_output", "bpf_perf_event_output_tp"}, "perf/core: Introduce perf_prepare_header(), and its series", "f6e707156e12", "-48 together"},
	{"6.4", []string{"memcpy*"}, "x86: don't use REP_GOOD or ERMS for small memory copies", "68674f94ffc9", "-16; a CPU counts a repeated instruction once, QEMU each time"},
	{"6.10", []string{"percpu_array_map_lookup_elem", "bpf_get_smp_processor_id", "bpf_prog_*"}, "bpf: inline bpf_map_lookup_elem() for PERCPU_ARRAY maps, and bpf_get_smp_processor_id()", "db69718b8efa", "-2 together"},
	{"6.13", []string{"perf_prepare_header", "perf_misc_flags", "perf_arch_misc_flags", "perf_event_output"}, "perf/core: Correct perf sampling with guest VMs, and its series", "2c47e7a74f44", "+14 together"},
	{"6.13", []string{"bpf_ringbuf_*"}, "bpf: Avoid deadlock caused by nested kprobe and fentry bpf programs", "c83508da5620", "-2: ringbuf.c has no places for ftrace"},
	{"6.14", []string{"ktime_get_mono_fast_ns", "bpf_perf_event_output_tp"}, "Debian enables CONFIG_UBSAN_BOUNDS and CONFIG_UBSAN_SHIFT", "", "+4 and +8: checks of shifts and indices"},
	{"6.15", []string{"__bpf_ringbuf_reserve", "_raw_spin_lock_irqsave", "_raw_spin_unlock_irqrestore"}, "bpf: Convert ringbuf map to rqspinlock", "a650d38915c1", "0 together: the lock is inline"},
	{"6.19", []string{"__bpf_ringbuf_reserve"}, "bpf: Add overwrite mode for BPF ring buffer", "", "+3"},
	{"7.1", []string{"bpf_prog_*"}, "bpf: Add bpf_compute_const_regs() and bpf_prune_dead_branches() passes", "f1606dd0ac49", "-8: branches on constants are gone"},
	{"7.1", []string{"read_tsc", "__x86_indirect_thunk_rax", "ktime_get_mono_fast_ns"}, "timekeeping: Allow inlining clocksource::read()", "2e27beeb66e4", "-6 together"},
	{"7.2", []string{"__bpf_ringbuf_reserve"}, "rqspinlock: Fix order in raw_res_spin_(un)lock_irq to allow schedule", "b48bd16eb9fc", "+4, by inference"},
}

// Causes are all known causes, in the order of versions.
func Causes() []Cause { return slices.Clone(causes) }

// Has reports whether the cause is about a function.
func (c *Cause) Has(function string) bool {
	return slices.ContainsFunc(c.Functions, func(name string) bool {
		prefix, several := strings.CutSuffix(name, "*")
		return name == function || several && strings.HasPrefix(function, prefix)
	})
}

// CausesOf are those between the releases of two kernels that are about functions that
// differ by at least half an instruction.
func CausesOf(a, b *Side) []Cause {
	from, to := Version(a.Release), Version(b.Release)
	if len(from) != 2 || len(to) != 2 {
		return nil // a kernel of one's own
	}
	if slices.Compare(from, to) > 0 {
		from, to = to, from
	}
	var all []Cause
	for _, c := range causes {
		if since := Version(c.Since); slices.Compare(since, from) <= 0 || slices.Compare(since, to) > 0 {
			continue
		}
		for _, change := range Compare(a.Profile, b.Profile, Parts()[0]) {
			if n := change.Instructions(); (n >= 0.5 || n <= -0.5) && c.Has(change.Function) {
				all = append(all, c)
				break
			}
		}
	}
	return all
}

// Version is the major and the minor number of a release.
func Version(release string) []int {
	var version []int
	for _, part := range strings.SplitN(release, ".", 3) {
		digits := part
		if i := strings.IndexFunc(part, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
			digits = part[:i]
		}
		n, err := strconv.Atoi(digits)
		if err != nil || len(version) == 2 {
			break
		}
		version = append(version, n)
	}
	return version
}
