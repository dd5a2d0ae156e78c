// SPDX-License-Identifier: MIT

package plugin

import (
	"bytes"
	"cmp"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ringtwin/ringtwin/internal/patience"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

// high is what testdata/guest.S adds to the addresses of its kernel.
const high = 0xffffffff80000000

// guest is what was counted of one run of testdata/guest.S.
type guest struct {
	windows []Window
	paths   []string // of the contexts
	symbols *Symbols
	times   []uint64 // CPU times of the windows as the guest reports them, when they close
}

// qemuVariable is another QEMU to test with, and its arguments.
const qemuVariable = "RINGTWIN_TEST_QEMU"

// qemuToTest returns its command and its version.
func qemuToTest(t *testing.T) (command []string, version string) {
	t.Helper()
	command = strings.Fields(os.Getenv(qemuVariable))
	if len(command) == 0 {
		testutils.QEMU(t)
		command = []string{"qemu-system-x86_64"}
	}
	out, err := exec.Command(command[0], "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, version, _ = strings.Cut(string(out), "version ")
	return command, version
}

// run assembles the guest and runs it to its end.
func run(t *testing.T, cpus int, options ...string) guest {
	t.Helper()
	return runWith(t, nil, cpus, options...)
}

// runWith has a model of caches.
func runWith(t *testing.T, model *Caches, cpus int, options ...string) guest {
	t.Helper()
	qemu, version := qemuToTest(t)
	testutils.Compiler(t)
	dir := t.TempDir()
	image, report := filepath.Join(dir, "guest"), filepath.Join(dir, "report")
	args := append([]string{"-nostdlib", "-static", "-no-pie", "-Wl,-N,-Ttext=0x100000,--build-id=none", "-o", image}, options...)
	if out, err := exec.Command("gcc", append(args, "testdata/guest.S")...).CombinedOutput(); err != nil {
		t.Fatalf("assemble: %v\n%s", err, out)
	}
	symbols, err := ParseSymbols(kallsyms(t, image), strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	memory, err := NewMemory(symbols, version, cpus, model)
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience.Of(time.Minute))
	defer cancel()
	cmd := exec.CommandContext(ctx, qemu[0], append(qemu[1:], "-M", "microvm", "-m", "16", "-smp", strconv.Itoa(cpus), "-nodefaults", "-no-user-config", "-display", "none",
		"-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off",
		"-debugcon", "file:"+report, "-device", "isa-debug-exit,iobase=0x501", "-kernel", image)...)
	cmd.Args = append(cmd.Args, memory.Args(3)...)
	cmd.ExtraFiles = memory.Files()
	out, err := cmd.CombinedOutput()
	// The device makes its exit code of what is written to it: of 1 this.
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Fatalf("QEMU: %v %v\n%s", err, ctx.Err(), out)
	}
	counted, err := memory.Read(0, math.MaxInt)
	if err != nil {
		t.Fatal(err)
	}
	g := guest{windows: counted.Windows, symbols: symbols}
	for i, c := range counted.Contexts {
		name := c.Name
		if name == "" && i > 0 {
			name = fmt.Sprintf("%#x", c.Address)
		}
		if c.Parent > 0 {
			name = g.paths[c.Parent] + ";" + name
		}
		g.paths = append(g.paths, name)
	}
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	for ; len(text) >= 4; text = text[4:] {
		g.times = append(g.times, uint64(binary.LittleEndian.Uint32(text)))
	}
	return g
}

// kallsyms writes the guest's functions as its kernel would.
func kallsyms(t *testing.T, image string) *bytes.Buffer {
	t.Helper()
	file, err := elf.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	symbols, err := file.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, s := range symbols {
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC {
			fmt.Fprintf(&text, "%016x T %s\n", s.Value+high, s.Name)
		}
	}
	return &text
}

// address is what the function behind the symbol is called, which has none: guest.S has it
// at the next multiple of 64.
func (g guest) address(t *testing.T, name string) string {
	t.Helper()
	i := slices.IndexFunc(g.symbols.all, func(s symbol) bool { return s.name == name })
	if i < 0 {
		t.Fatalf("no symbol %s", name)
	}
	return fmt.Sprintf("%#x", (g.symbols.all[i].address+63)&^63)
}

// counts are those of a window, by context.
func (g guest) counts(window int) map[string]Counts {
	all := make(map[string]Counts)
	for _, s := range g.windows[window].Stacks {
		if s.Counts != (Counts{}) {
			all[g.paths[s.Node]] = s.Counts
		}
	}
	return all
}

// In what order the windows of testdata/guest.S open.
const (
	straight = iota
	loop
	crossing
	nested
	tail
	memory
	stringCopy
	planted
	sweep
	faultWithin
	faultAtEnd
	faultOfFetch
	faultOfNextPage
	faultOfOpcode
	faultOfSegment
	calledStranger
	left
	other
	ticking
	classed
	windows
)

const (
	inUser    = "[user space]"
	inRuntime = "task_sched_runtime"
	inUpdate  = "task_sched_runtime;update_rq_clock"
	inClock   = "task_sched_runtime;update_rq_clock;native_sched_clock"
)

// with adds to what each window has: from the instruction after one rdtsc to the other.
func with(more map[string]Counts) map[string]Counts {
	all := map[string]Counts{
		// Instructions, loads, stores, bytes, branches, lines.
		inClock:   {3 + 1, 1, 0, 8, 1, 1},
		inUpdate:  {1 + 1, 1, 1, 16, 2, 1},
		inRuntime: {7 + 1, 5, 2 + 1, 64, 2, 3},
		inUser:    {6, 0, 2, 16, 2, 1},
	}
	for path, counts := range more {
		all[path] = plus(all[path], counts)
	}
	return all
}

// swept is how many lines a function of the guest touches.
const swept = 131072

// A handler is in the place of the function that it interrupts: it has the same parent.
const (
	inPageFault = "asm_exc_page_fault"
	inGP        = "asm_exc_general_protection"
	inUD        = "asm_exc_invalid_op"
)

// leaf is a function of n instructions, of which only the last accesses memory.
func leaf(n uint64) Counts { return Counts{n, 1, 0, 8, 1, 1} }

// iret is what iretq loads: 5 words of the stack, and from 2 segment descriptors 2 words
// of half the size each.
var iret = Counts{1, 5 + 4, 0, 5*8 + 4*4, 0, 2}

func plus(a, b Counts) Counts {
	for c, n := range b {
		a[c] += n
	}
	return a
}

// TestCounts compares each window with what the guest's text says.
func TestCounts(t *testing.T) {
	g := run(t, 1)
	// With the line of the page table.
	mended := plus(iret, Counts{6, 0, 1, 8, 0, 1})
	tests := map[int]map[string]Counts{
		straight: with(map[string]Counts{"straight": leaf(11)}),
		loop:     with(map[string]Counts{"loop": {1 + 2*5 + 1, 1, 0, 8, 5 + 1, 1}}),
		crossing: with(map[string]Counts{"crossing": {1 + 25 + 1 + 1, 2, 0, 2 * 8, 1, 1}}),
		nested: with(map[string]Counts{
			"outer":              {4, 1, 2, 24, 3, 1},
			"outer;middle":       {2 * 4, 2, 2, 32, 4, 1},
			"outer;middle;inner": {2 * 4, 2, 0, 16, 2, 1},
		}),
		tail: with(map[string]Counts{
			"tail_first":  {2, 0, 0, 0, 1, 0},
			"tail_second": leaf(3),
		}),
		// Three lines, and that of the stack.
		memory: with(map[string]Counts{"memory": {8, 6, 5, 8 + 2 + 1 + 4 + 3*2*4 + 8, 1, 3 + 1}}),
		// QEMU counts the last test of rcx as an instruction.
		stringCopy:  with(map[string]Counts{"strings": {3 + 10 + 1 + 1, 10 + 1, 10, 10 + 10 + 8, 1, 2 + 1}}),
		planted:     with(map[string]Counts{"planted": {4, 1, 1, 16, 2, 1}, "planted;planted_in": leaf(2)}),
		sweep:       with(map[string]Counts{"sweep": {2 + 4*swept + 1, swept + 1, 0, swept + 8, swept + 1, swept + 1}}),
		faultWithin: with(map[string]Counts{"fault_within": {4, 2, 0, 16, 1, 2}, inPageFault: mended}),
		faultAtEnd:  with(map[string]Counts{"fault_at_end": {4, 2, 0, 16, 2, 2}, inPageFault: mended}),
		// In place of the call: lea, push, jmp, ret.
		faultOfFetch: with(map[string]Counts{inUser: {4 - 2, 1, 0, 8, 1, 0}, inPageFault: mended}),
		faultOfNextPage: with(map[string]Counts{inUser: {5 - 2, 1, 0, 8, 1, 0},
			inPageFault: {2 * mended[0], 2 * mended[1], 2 * mended[2], 2 * mended[3], 2 * mended[4], mended[5]}}),
		// QEMU counts an instruction that it does not know.
		faultOfOpcode: with(map[string]Counts{"fault_of_opcode": leaf(3), inUD: plus(iret, Counts{1, 1, 1, 16, 0, 0})}),
		// It counts none that faults, and this handler skips it.
		faultOfSegment: with(map[string]Counts{"fault_of_segment": leaf(2), inGP: plus(iret, Counts{2, 1, 1, 16, 0, 0})}),
		calledStranger: with(map[string]Counts{
			"calls_stranger": {3, 1, 1, 16, 2, 1},
			"calls_stranger;" + g.address(t, "_etext"): leaf(3),
		}),
		// Until its clock is read, and when it is back; of the other, from its second
		// reading on. What is without ticks touches lines anew whenever it is back.
		left: with(map[string]Counts{
			inUser:                       {0, 0, 0, 0, 0, 1},
			inRuntime:                    {0, 0, 0, 0, 0, 1},
			inUpdate:                     {0, 0, 0, 0, 0, 1},
			"__schedule":                 {1 + 4 + 1, 1, 3, 32, 3, 2},
			"__schedule;update_rq_clock": {1, 0, 1, 8, 1, 0},
			"__schedule;update_rq_clock;native_sched_clock":                {1, 0, 0, 0, 0, 0},
			"__schedule;pick_next_task":                                    {2, 1, 1, 16, 1, 1},
			"__schedule;pick_next_task;update_rq_clock":                    {1, 1, 0, 8, 1, 0},
			"__schedule;pick_next_task;update_rq_clock;native_sched_clock": {3, 1, 0, 8, 1, 0},
			"__schedule;__switch_to":                                       {3, 2, 1, 24, 1, 3},
		}),
		other: with(map[string]Counts{"straight": leaf(11)}),
		// Two calls, between which there is a tick: a movabs, a call and the store of it.
		ticking: with(map[string]Counts{
			"toucher": {2 * 3, 2 * 3, 0, 2 * 3 * 8, 2, 2 * 2},
			inUser:    {3, 0, 2, 16, 1, 2},
			inRuntime: {0, 0, 0, 0, 0, 1},
			inUpdate:  {0, 0, 0, 0, 0, 1},
		}),
		classed: with(map[string]Counts{
			"classes":            {13, 1 + 1 + 1 + 1, 1 + 1 + 1 + 1, 8 + 4*4 + 8 + 4*2, 2, 3},
			"classes;classes_in": leaf(1),
		}),
	}
	if len(g.windows) != windows || len(g.times) != windows {
		t.Fatalf("%d windows, CPU times of %d; the guest has %d", len(g.windows), len(g.times), windows)
	}
	for window := range windows {
		if d := difference(g.counts(window), tests[window]); d != "" {
			t.Errorf("window %d:\n%s", window, d)
		}
	}
	if a, b := g.windows[straight].Thread, g.windows[other].Thread; a+1 != b {
		t.Errorf("stacks of threads: %#x, then %#x", a, b)
	}
}

// TestTimes compares the instructions of each window with its CPU time: one is one
// nanosecond.
func TestTimes(t *testing.T) {
	g := run(t, 1)
	// The other closes first.
	g.times[left], g.times[other] = g.times[other], g.times[left]
	for window, time := range g.times {
		var sum uint64
		for _, counts := range g.counts(window) {
			sum += counts[Instructions]
		}
		if sum != time {
			t.Errorf("window %d: %d instructions in %d ns", window, sum, time)
		}
	}
}

// TestPlanted compares the guest with others that are known to execute more.
func TestPlanted(t *testing.T) {
	const where = "planted;planted_in"
	without := run(t, 1)
	for option, more := range map[string]Counts{
		"-DPLANT=100": {Instructions: 100},
		"-DSTORES=1":  {Instructions: 1, Stores: 1, Bytes: 8, Lines: 1},
		"-DSTORES=9":  {Instructions: 9, Stores: 9, Bytes: 72, Lines: 9},
	} {
		with := run(t, 1, option)
		for window := range windows {
			want := without.counts(window)
			if window == planted {
				want[where] = plus(want[where], more)
			}
			got := with.counts(window)
			if window == calledStranger { // it is known by its address
				delete(got, "calls_stranger;"+with.address(t, "_etext"))
				delete(want, "calls_stranger;"+without.address(t, "_etext"))
			}
			if d := difference(got, want); d != "" {
				t.Errorf("%s, window %d:\n%s", option, window, d)
			}
		}
	}
}

func needsCPUs(t *testing.T) {
	t.Helper()
	if _, version := qemuToTest(t); strings.HasPrefix(version, "1") || strings.HasPrefix(version, "9.2") {
		t.Skip("QEMU from 9.2 on counts machines with one vCPU only")
	}
}

// TestSharing: two vCPUs take a lock in turn. Its line and the one that it protects go from
// one to the other each time.
func TestSharing(t *testing.T) {
	needsCPUs(t)
	g := run(t, 2, "-DCPUS", "-DSHARES")
	if len(g.windows) != 6 {
		t.Fatalf("%d windows, want 6", len(g.windows))
	}
	turns := 0
	for i := range g.windows {
		var transfers uint64
		if i > 0 && g.windows[i].Thread != g.windows[i-1].Thread {
			transfers, turns = 2, turns+1
		}
		// The lock is held for the addition and the store that releases it.
		want := Counts{9, 2 + 1, 1 + 2, 4 + 4 + 8 + 8 + 1 + 8, 1, 3, Transfers: transfers, Locks: 1, Held: 2, HeldTransfers: transfers}
		if got := g.counts(i)["shares"]; got != want {
			t.Errorf("window %d: %v, want %v", i, got, want)
		}
	}
	if turns < 3 {
		t.Errorf("the vCPUs took turns %d times", turns)
	}
}

// TestCPUs: vCPUs that take turns within windows have their own counts.
func TestCPUs(t *testing.T) {
	needsCPUs(t)
	g := run(t, 2, "-DCPUS")
	const each = 3
	if len(g.windows) != 2*each {
		t.Fatalf("%d windows, want %d", len(g.windows), 2*each)
	}
	// The stack of the first vCPU is below the other's.
	first := slices.MinFunc(g.windows, func(a, b Window) int { return cmp.Compare(a.Thread, b.Thread) }).Thread
	turns := 0
	for i, w := range g.windows {
		below := ""
		want := map[string]Counts{}
		if w.Thread != first {
			below = "yields_below;"
			want["yields_below"] = Counts{3, 1, 1, 16, 2, 1}
		}
		want[below+"yields"] = Counts{3, 1, 1, 16, 2, 1}
		want[below+"yields;yields_in"] = leaf(4)
		got := g.counts(i)
		for path, counts := range got { // the report of the CPU time is shared
			counts[Transfers] = 0
			got[path] = counts
		}
		if d := difference(got, with(want)); d != "" {
			t.Errorf("window %d of thread %#x:\n%s", i, w.Thread, d)
		}
		if i > 0 && w.Thread != g.windows[i-1].Thread {
			turns++
		}
	}
	if turns < each {
		t.Errorf("the vCPUs took turns %d times", turns)
	}
}

func difference(got, want map[string]Counts) string {
	var paths []string
	for _, counts := range []map[string]Counts{got, want} {
		for path := range counts {
			if !slices.Contains(paths, path) {
				paths = append(paths, path)
			}
		}
	}
	slices.Sort(paths)
	var text strings.Builder
	for _, path := range paths {
		if g, w := got[path], want[path]; g != w {
			fmt.Fprintf(&text, "%s: %v, want %v\n", path, g[:Lines+1], w[:Lines+1])
		}
	}
	return text.String()
}
