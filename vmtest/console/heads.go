// SPDX-License-Identifier: MIT

package console

import (
	"bytes"
	"regexp"
)

// head is a head line of splats.
type head struct {
	kind Kind
	// begins are the texts of which a head line begins with one. Comparing them is far
	// cheaper than the pattern, and a kernel may write a hundred MB.
	begins []string
	// has is what a head line contains that begins with a name: of a task, a device.
	has     string
	pattern *regexp.Regexp // nil: what it begins with is enough

	// then is the next head line of the same fault, if it comes within so many lines.
	then   *regexp.Regexp
	within int
	// same is the part of the line that is repeated while a condition lasts.
	same *regexp.Regexp
	// dies means that the kernel does not go on from here: die() in its architectures.
	dies bool

	order int // in the table
}

// The lines that follow a head line of the same fault.
var (
	// die(): "NAME: CODE [#n]", and "Oops [#n]" where there is no code.
	died = regexp.MustCompile(`\[#\d+\]`)
	// After a message: of WARN(), of BUG_ON(), and of what dies at once.
	asserted = regexp.MustCompile(`^WARNING: |^[kK]ernel BUG at |\[#\d+\]`)
	// The message of WARN() follows since 6.19: __warn() in kernel/panic.c.
	message = regexp.MustCompile(`^(?:DEBUG_LOCKS_WARN_ON|DEBUG_RWSEMS_WARN_ON|refcount_t: |ODEBUG: |DMA-API: |list_(?:add|del) |kobject|VFS: )|NETDEV WATCHDOG: `)
	// slab_bug() is followed by a trailer and, since 6.16, by WARN_ON(1).
	slubWarned = regexp.MustCompile(`^WARNING: .*\bmm/slub\.c:\d+`)
)

const (
	messageLines = 6   // from a message to "WARNING:" or "kernel BUG at"
	oopsLines    = 12  // from "kernel BUG at" to "Oops:"
	faultLines   = 100 // from "BUG: unable to handle page fault" over what is known of the address to "Oops:"
	slubLines    = 200
	kasanLines   = 200
)

func re(pattern string) *regexp.Regexp { return regexp.MustCompile(pattern) }

// heads are the head lines of splats. The first match decides, so special patterns come
// before general ones.
var heads = []head{
	// panic() and its message, kernel/panic.c. Only its beginning: a panic takes the
	// serial port from the current writer, and a character can be duplicated.
	{kind: Panic, begins: []string{"Kernel panic"}, pattern: re(`^Kernel panic\b`)},
	// early_fixup_exception() in arch/x86/mm/extable.c: the kernel halts, and says no more.
	{kind: Panic, begins: []string{"PANIC: early exception "}},

	// mm/kasan/report.c. What is wrong with the address may be told once more, by the
	// processor's fault.
	{kind: KASAN, begins: []string{"BUG: KASAN: "}, pattern: re(`^BUG: KASAN: (?:null-ptr-deref|user-memory-access|(?:maybe )?wild-memory-access)`),
		then: re(`^BUG: (?:kernel NULL pointer|unable to handle)|\[#\d+\]`), within: kasanLines},
	// mm/kasan, mm/kfence, mm/kmsan, kernel/kcsan
	{kind: KASAN, begins: []string{"BUG: KASAN: ", "BUG: KFENCE: ", "BUG: KMSAN: ", "BUG: KCSAN: "}},
	// lib/ubsan.c
	{kind: UBSAN, begins: []string{"UBSAN: "}},
	// slab_bug() in mm/slub.c, and its like in mm/slab.c, mm/page_poison.c, mm/kmemleak.c
	{kind: KASAN, begins: []string{"BUG "}, pattern: re(`^BUG \S.* \((?:Not tainted|Tainted: [^)]*)\): `), then: slubWarned, within: slubLines},
	{kind: KASAN, begins: []string{"slab error in ", "Slab corruption", "pagealloc: memory corruption", "pagealloc: single bit error"}},
	{kind: KASAN, begins: []string{"kmemleak: "}, pattern: re(`^kmemleak: (?:\d+ new suspected memory leaks|unreferenced object )`), same: re(`^kmemleak`)},

	// kernel/watchdog.c
	{kind: Lockup, begins: []string{"watchdog: ", "NMI watchdog: ", "BUG: soft lockup"}, pattern: re(`^(?:(?:NMI )?watchdog: )?BUG: soft lockup`), same: re(`CPU#\d+`)},
	{kind: Lockup, begins: []string{"watchdog: ", "NMI watchdog: ", "Watchdog detected"}, pattern: re(`^(?:(?:NMI )?watchdog: )?(?:CPU ?\d+: )?Watchdog detected hard LOCKUP`), same: re(`cpu ?\d+`)},
	{kind: Lockup, begins: []string{"BUG: spinlock lockup suspected", "BUG: rwlock-lockup suspected"}},
	// show_one_worker_pool() in kernel/workqueue.c: a line a pool, every half minute
	{kind: Lockup, begins: []string{"BUG: workqueue lockup"}, same: re(`^BUG: workqueue lockup`)},
	// csd_lock_wait_toolong() in kernel/smp.c
	{kind: Lockup, begins: []string{"csd: "}, pattern: re(`^csd: (?:Detected|Continued) non-responsive CSD lock`), same: re(`CPU#\d+`)},

	// kernel/rcu/tree_stall.h, tree_exp.h, tasks.h. The grace period's thread that starves is
	// of the same stall.
	{kind: RCUStall, begins: []string{"rcu", "INFO: rcu"}, pattern: re(`^(?:rcu\w*: )?INFO: rcu\w* (?:self-)?detected (?:expedited )?stall`), same: re(`rcu_\w+`)},
	{kind: RCUStall, begins: []string{"rcu", "INFO: rcu"}, pattern: re(`^(?:rcu: )?(?:INFO: )?rcu_\w+ kthread (?:starved for|timer wakeup didn't happen for) `), same: re(`rcu_\w+`)},

	// kernel/hung_task.c
	{kind: HungTask, begins: []string{"INFO: task "}, pattern: re(`^INFO: task .+ (?:blocked (?:in I/O wait )?|can't die )for more than \d+ seconds|^INFO: task [^:]*$`), same: re(`task .+:\d+ `)},

	// netdev_wait_allrefs_any() in net/core/dev.c
	{kind: HungTask, begins: []string{"unregister_netdevice: waiting for "}, same: re(`for \S+`)},

	// mm/oom_kill.c
	{kind: OOM, begins: []string{"Out of memory", "Memory cgroup out of memory"}, pattern: re(`^(?:Out of memory|Memory cgroup out of memory)(?: \([^)]*\))?: Killed process `)},
	{kind: OOM, begins: []string{"Out of memory and no killable processes"}},

	// warn_alloc() in mm/page_alloc.c, slab_out_of_memory() in mm/slub.c
	{kind: Alloc, has: "GFP", pattern: re(`^[^']{1,16}: (?:page allocation (?:failure|stall)|.+, mode:0x[0-9a-f]+\([^)]*GFP)`), then: re(`^SLUB: Unable to allocate`), within: 100},
	{kind: Alloc, begins: []string{"SLUB: Unable to allocate memory "}},

	// kernel/locking/lockdep.c, and its ancestors' form in brackets
	{kind: Lockdep, begins: []string{"WARNING: "}, pattern: re(`^WARNING: (?:possible (?:circular locking|recursive locking|irq lock inversion)|inconsistent lock state|bad unlock balance|bad contention|held lock freed|suspicious RCU usage|\S+-safe -> \S+-unsafe lock order|Nested lock was not taken|lock held when returning to user space|.+/\d+ still has locks held|chain_key collision)`)},
	{kind: Lockdep, begins: []string{"[ BUG: ", "[ INFO: "}, pattern: re(`^\[ (?:BUG|INFO): .* \]$`)},
	{kind: Lockdep, begins: []string{"INFO: trying to register non-static key"}},
	{kind: Lockdep, begins: []string{"DEBUG_LOCKS_WARN_ON(", "DEBUG_RWSEMS_WARN_ON("}, then: asserted, within: messageLines},

	// arch/x86/mm/fault.c, arch/x86/kernel/traps.c; arch/arm64/mm/fault.c, arch/arm64/kernel/traps.c
	{kind: Oops, begins: []string{"BUG: unable to handle ", "BUG: Unable to handle ", "BUG: kernel NULL pointer ", "Unable to handle kernel ", "Insufficient stack space to handle exception"}, then: died, within: faultLines},
	{kind: Oops, begins: []string{"traps: PANIC: ", "PANIC: double fault"}, then: died, within: oopsLines, dies: true},
	{kind: Oops, has: "Corrupted page table", pattern: re(`^[^']{1,16}: Corrupted page table`), then: died, within: oopsLines},
	{kind: Oops, begins: []string{"Unhandled "}, pattern: re(`^Unhandled (?:fault: |prefetch abort: |64-bit el1. )`), then: died, within: oopsLines},
	// arch/x86/kernel/cet.c, kernel/cfi.c
	{kind: Oops, begins: []string{"traps: ", "CET: ", "Missing ENDBR: "}, pattern: re(`^(?:\w+: )?Missing ENDBR: `), then: asserted, within: messageLines},
	{kind: Oops, begins: []string{"CFI failure "}, then: asserted, within: messageLines},
	// __die_header() in arch/x86/kernel/dumpstack.c, and its like: no quote, for it could be
	// the name of a program
	{kind: Oops, has: "#", pattern: re(`^[^'"]*: [0-9a-f]{1,16} \[#\d+\]`), dies: true},
	{kind: Oops, has: "#", pattern: re(`^(?:Oops|Kernel BUG|Internal error|Oops - [\w ]+)(?:: [^'"]*)? \[#\d+\]`), dies: true},

	// lib/bug.c, mm/usercopy.c, lib/list_debug.c
	{kind: BUG, begins: []string{"kernel BUG at ", "Kernel BUG at "}, then: died, within: oopsLines},
	{kind: BUG, begins: []string{"usercopy: Kernel memory "}, then: asserted, within: messageLines},
	{kind: BUG, begins: []string{"list_add ", "list_del "}, pattern: re(`^list_(?:add|del) (?:corruption|double add)`), then: asserted, within: messageLines},
	{kind: BUG, begins: []string{"BUG: "}, pattern: re(`^BUG: .*stack guard page was hit`), then: died, within: oopsLines},
	{kind: BUG, begins: []string{"BUG: "}, then: asserted, within: messageLines},
	// kernel/irq/spurious.c, kernel/softirq.c, mm/pgtable-generic.c, fs/super.c
	{kind: BUG, begins: []string{"irq "}, pattern: re(`^irq (?:\d+: nobody cared|event \d+: bogus return value )`)},
	{kind: BUG, begins: []string{"huh, entered softirq ", "softirq: huh, entered softirq "}},
	{kind: BUG, begins: []string{"mm/", "arch/"}, pattern: re(`^\S+:\d+: bad (?:pgd|p4d|pud|pmd) [0-9a-f]`)},
	{kind: BUG, begins: []string{"VFS: Busy inodes after unmount ", "VFS: Close: file count is "}, then: asserted, within: messageLines},

	// Messages of WARN(): lib/refcount.c, lib/debugobjects.c, kernel/dma/debug.c,
	// net/sched/sch_generic.c, lib/kobject.c. Before 6.19 they come before "WARNING:".
	{kind: WARN, begins: []string{"refcount_t: ", "ODEBUG: ", "DMA-API: "}, pattern: re(`^refcount_t: |^ODEBUG: \w+ \w+ \(active state|^DMA-API: .*: .*(?:device driver|DMA memory|cacheline|DMA pointer|mapping)`), then: asserted, within: messageLines},
	{kind: WARN, has: "NETDEV WATCHDOG", pattern: re(`^(?:[\w:.()\- ]+: )?NETDEV WATCHDOG: .*transmit queue \d+ timed out`), then: asserted, within: messageLines},
	{kind: WARN, begins: []string{"kobject"}, pattern: re(`^kobject:? '?.*(?:something is seriously wrong|is not initialized, yet)`), then: asserted, within: messageLines},
	{kind: WARN, begins: []string{"sysfs: cannot create duplicate filename "}},
	// __warn() in kernel/panic.c; since 6.19 the place comes first, and before it the
	// condition; since 7.3 without a place where it is not known. arch/x86/kernel/unwind_frame.c
	{kind: WARN, begins: []string{"WARNING: "}, pattern: re(`^WARNING: (?:CPU: \d+ PID: -?\d+ at |(?:\[.*\] )?\S+:\d+ at |at \S+[, ]|kernel stack (?:regs|frame pointer) at )`), then: message, within: messageLines},
}

// starts are the heads by the first byte of a head line; names are those that begin with a
// name.
var (
	starts [256][]*head
	names  []*head
)

func init() {
	for i := range heads {
		h := &heads[i]
		h.order = i
		var first [256]bool
		for _, text := range h.begins {
			if !first[text[0]] {
				first[text[0]] = true
				starts[text[0]] = append(starts[text[0]], h)
			}
		}
		if h.has != "" {
			names = append(names, h)
		}
	}
}

// begin reports whether a text begins as one of the head lines.
func (h *head) begin(text []byte) bool {
	for _, begin := range h.begins {
		if len(text) >= len(begin) && string(text[:len(begin)]) == begin {
			return true
		}
	}
	return false
}

// named are texts of tasks with names that could be anything.
var named = re(`^.{1,16}(?:\[\d+\]: segfault at | \(\d+\): | \(\d+\) used greatest stack depth)`)

// classify returns the head that a text is, or nil. Those that begin with a name are looked
// for if the line has one of their texts.
func classify(text []byte, withNames bool) (found *head) {
	if len(text) == 0 {
		return nil
	}
	for _, h := range starts[text[0]] {
		if h.begin(text) && (h.pattern == nil || h.pattern.Match(text)) {
			found = h
			break
		}
	}
	if withNames {
		for _, h := range names {
			if found != nil && found.order < h.order {
				break
			}
			if bytes.Contains(text, []byte(h.has)) && h.pattern.Match(text) {
				found = h
				break
			}
		}
	}
	if found != nil && named.Match(text) {
		return nil
	}
	return found
}
