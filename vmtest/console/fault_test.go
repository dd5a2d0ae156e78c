// SPDX-License-Identifier: MIT

package console

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestOneFault: what is reported in several lines, or again and again, is one event, and a
// panic names what made the kernel panic.
func TestOneFault(t *testing.T) {
	for name, test := range map[string]struct {
		log  string
		want []string // Event.String()
	}{
		"location and cause": {`
			[    3.1] BUG: kernel NULL pointer dereference, address: 0000000000000000
			[    3.1] #PF: supervisor write access in kernel mode
			[    3.1] #PF: error_code(0x0002) - not-present page
			[    3.1] PGD 0 P4D 0
			[    3.1] Oops: 0002 [#1] PREEMPT SMP NOPTI
			[    4.0] kernel BUG at mm/slub.c:1!
			[    4.0] invalid opcode: 0000 [#2] SMP
			[    9.0] Oops: 0000 [#3] SMP`,
			[]string{"oops: BUG: kernel NULL pointer dereference, address: 0000000000000000 (line 1 of the console)", "BUG: kernel BUG at mm/slub.c:1! (line 6 of the console)", "oops: 0000 [#3] SMP (line 8 of the console)"}},
		"two CPUs at once": {`
			[    3.1][    C0] BUG: unable to handle page fault for address: ffffffffc0000000
			[    3.1][    C1] BUG: unable to handle page fault for address: ffffffffc0000008
			[    3.1][    C0] Oops: 0002 [#1] SMP
			[    3.1][    C1] Oops: 0002 [#2] SMP`,
			[]string{"oops: BUG: unable to handle page fault for address: ffffffffc0000000 (line 1 of the console)", "oops: BUG: unable to handle page fault for address: ffffffffc0000008 (line 2 of the console)"}},
		"a missing landing pad": {`
			[    1.0] traps: Missing ENDBR: foo+0x0/0x10
			[    1.0] ------------[ cut here ]------------
			[    1.0] kernel BUG at arch/x86/kernel/cet.c:102!
			[    1.0] Oops: invalid opcode: 0000 [#1] SMP
			[    1.0] Kernel panic - not syncing: Fatal exception`,
			[]string{"oops: traps: Missing ENDBR: foo+0x0/0x10 (line 1 of the console)", "panic: oops: traps: Missing ENDBR: foo+0x0/0x10 (line 1 of the console)"}},
		"CFI, permissive": {`
			[    1.0] CFI failure at foo+0x1/0x2 (target: bar+0x0/0x1; expected type: 0x0)
			[    1.0] WARNING: CPU: 0 PID: 1 at foo+0x1/0x2`,
			[]string{"oops: CFI failure at foo+0x1/0x2 (target: bar+0x0/0x1; expected type: 0x0) (line 1 of the console)"}},
		"a corrupted list": {`
			[    1.0] list_del corruption, ffff888000000000->next is NULL
			[    1.0] ------------[ cut here ]------------
			[    1.0] kernel BUG at lib/list_debug.c:53!
			[    1.0] Oops: invalid opcode: 0000 [#1] SMP`,
			[]string{"BUG: list_del corruption, ffff888000000000->next is NULL (line 1 of the console)"}},
		"a message before its warning": {`
			[    1.0] refcount_t: underflow; use-after-free.
			[    1.0] WARNING: CPU: 0 PID: 1 at lib/refcount.c:28 refcount_warn_saturate+0xf4/0x150`,
			[]string{"WARN: refcount_t: underflow; use-after-free. (line 1 of the console)"}},
		"a message after its warning": {`
			[    1.0] WARNING: lib/refcount.c:28 at refcount_warn_saturate+0xf4/0x150, CPU#0: init/1
			[    1.0] refcount_t: underflow; use-after-free.`,
			[]string{"WARN: lib/refcount.c:28 at refcount_warn_saturate+0xf4/0x150, CPU#0: init/1 (line 1 of the console)"}},
		"SLUB warns of its own finding": {`
			[    1.0] BUG kmalloc-8 (Not tainted): Object already free
			[    1.0] Slab 0x0 objects=1 used=1 fp=0x0 flags=0x200
			[    1.0] WARNING: mm/slub.c:1257 at object_err+0x1/0x2, CPU#0: init/1
			[    1.0] WARNING: mm/foo.c:1257 at foo+0x1/0x2, CPU#0: init/1`,
			[]string{"KASAN: BUG kmalloc-8 (Not tainted): Object already free (line 1 of the console)", "WARN: mm/foo.c:1257 at foo+0x1/0x2, CPU#0: init/1 (line 4 of the console)"}},
		"an address that KASAN saw first": {`
			[    1.0] BUG: KASAN: null-ptr-deref in foo+0x1/0x2
			[    1.0] Write of size 4 at addr 0000000000000000 by task init/1
			[    1.0] BUG: kernel NULL pointer dereference, address: 0000000000000000
			[    1.0] Oops: Oops: 0002 [#1] SMP KASAN
			[    1.1] Kernel panic - not syncing: Fatal exception in interrupt`,
			[]string{"KASAN: null-ptr-deref in foo+0x1/0x2 (line 1 of the console)", "panic: KASAN: null-ptr-deref in foo+0x1/0x2 (line 1 of the console)"}},
		"panic_on_warn": {`
			[    1.0] WARNING: CPU: 0 PID: 7 at drivers/foo.c:1 foo+0x1/0x2
			[   50.0] WARNING: CPU: 0 PID: 1 at foo+0x1/0x2
			[   50.1] Kernel panic - not syncing: kernel: panic_on_warn set ...`,
			[]string{"WARN: CPU: 0 PID: 7 at drivers/foo.c:1 foo+0x1/0x2 (line 1 of the console)", "WARN: CPU: 0 PID: 1 at foo+0x1/0x2 (line 2 of the console)", "panic: WARN: CPU: 0 PID: 1 at foo+0x1/0x2 (line 2 of the console)"}},
		"panic_on_warn, of KASAN": {`
			[    1.0] BUG: KASAN: slab-out-of-bounds in foo+0x1/0x2
			[    1.0] Kernel panic - not syncing: KASAN: panic_on_warn set ...`,
			[]string{"KASAN: slab-out-of-bounds in foo+0x1/0x2 (line 1 of the console)", "panic: KASAN: slab-out-of-bounds in foo+0x1/0x2 (line 1 of the console)"}},
		"hung tasks: the first of several, and not a cause of long ago": {`
			[  100.0] INFO: task old:3 blocked for more than 20 seconds.
			[  240.0] INFO: task load:7 blocked for more than 120 seconds.
			[  240.1] INFO: task init:1 blocked for more than 120 seconds.
			[  240.2] Kernel panic - not syncing: hung_task: blocked tasks`,
			[]string{"hung task: INFO: task old:3 blocked for more than 20 seconds. (line 1 of the console)", "hung task: INFO: task load:7 blocked for more than 120 seconds. (line 2 of the console)", "hung task: INFO: task init:1 blocked for more than 120 seconds. (line 3 of the console)", "panic: hung task: INFO: task load:7 blocked for more than 120 seconds. (line 2 of the console)"}},
		"a soft lockup that lasts": {`
			[   30.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [init:1]
			[   58.0] watchdog: BUG: soft lockup - CPU#0 stuck for 48s! [init:1]
			[   59.0] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [load:7]
			[   59.0] Kernel panic - not syncing: softlockup: hung tasks
			[ 4000.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [init:1]`,
			[]string{"lockup: watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [init:1] (line 1 of the console)", "lockup: watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [load:7] (line 3 of the console)", "panic: lockup: watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [load:7] (line 3 of the console)", "lockup: watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [init:1] (line 5 of the console)"}},
		"a workqueue lockup of two pools that lasts": {`
			[   30.0] BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 30s!
			[   30.0] BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 stuck for 30s!
			[   60.0] BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 60s!`,
			[]string{"lockup: BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 30s! (line 1 of the console)"}},
		"an RCU stall that lasts": {`
			[   30.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
			[   30.0] rcu: rcu_preempt kthread starved for 5249 jiffies! g441 f0x2 RCU_GP_WAIT_FQS(5) ->state=0x0 ->cpu=1
			[   90.0] rcu: INFO: rcu_preempt self-detected stall on CPU
			[   90.1] Kernel panic - not syncing: RCU Stall`,
			[]string{"RCU stall: rcu: INFO: rcu_preempt detected stalls on CPUs/tasks: (line 1 of the console)", "panic: RCU stall: rcu: INFO: rcu_preempt detected stalls on CPUs/tasks: (line 1 of the console)"}},
		"init died of an oops": {`
			[    3.1] Oops: 0002 [#1] SMP
			[    3.2] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b`,
			[]string{"oops: 0002 [#1] SMP (line 1 of the console)", "panic: oops: 0002 [#1] SMP (line 1 of the console)"}},
		"init died long after one": {`
			[    3.1] Oops: 0002 [#1] SMP
			[   30.2] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b`,
			[]string{"oops: 0002 [#1] SMP (line 1 of the console)", "panic: Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b (line 2 of the console)"}},
		"a panic that is its own cause": {`
			[    3.1] WARNING: CPU: 0 PID: 7 at drivers/foo.c:1 foo+0x1/0x2
			[    3.2] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)`,
			[]string{"WARN: CPU: 0 PID: 7 at drivers/foo.c:1 foo+0x1/0x2 (line 1 of the console)", "panic: Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0) (line 2 of the console)"}},
		"without time stamps": {`
			WARNING: CPU: 0 PID: 1 at foo+0x1/0x2
			Kernel panic - not syncing: panic_on_warn set ...`,
			[]string{"WARN: CPU: 0 PID: 1 at foo+0x1/0x2 (line 1 of the console)", "panic: WARN: CPU: 0 PID: 1 at foo+0x1/0x2 (line 1 of the console)"}},
		"another boot": {`
			[   50.0] WARNING: CPU: 0 PID: 1 at foo+0x1/0x2
			[    2.0] Kernel panic - not syncing: panic_on_warn set ...`,
			[]string{"WARN: CPU: 0 PID: 1 at foo+0x1/0x2 (line 1 of the console)", "panic: Kernel panic - not syncing: panic_on_warn set ... (line 2 of the console)"}},
	} {
		t.Run(name, func(t *testing.T) {
			log := strings.ReplaceAll(strings.TrimPrefix(test.log, "\n"), "\t", "")
			var got []string
			for _, event := range Scan([]byte(log)) {
				got = append(got, event.String())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(Scan([]byte(log)), inPieces([]byte(log), 7)); diff != "" {
				t.Errorf("in pieces (-want +got):\n%s", diff)
			}
		})
	}
}
