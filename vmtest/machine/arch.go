// SPDX-License-Identifier: MIT

package machine

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
)

// Arch is what differs between architectures of machines. A new one needs an entry in the
// table, generated objects in bpf and harness/workload, registers in harness/ptrace, and
// for virtual time the ports in vmtest/guest.
type Arch struct {
	// QEMU is the name of its QEMU program.
	QEMU string
	// machine is QEMU's -machine.
	machine string
	// console is the kernel's name of the first serial port.
	console string
	// emulated are kernel parameters under emulation, each with its reason.
	emulated []string
	// late are those where the host's clock is the guest's, which a busy host delays.
	late []string
	// copies are features of the CPU to add or to leave out, so that an emulated kernel
	// copies faster.
	copies string
}

// archs are keyed by Go's names.
var archs = map[string]Arch{
	"amd64": {QEMU: "qemu-system-x86_64", machine: "pc", console: "ttyS0", emulated: []string{noCMPXCHG16B}, late: []string{noTimerCheck}, copies: noByteCopies},
}

// noByteCopies hides that copying bytes with one instruction is fast, as it is on a CPU: a
// kernel copies words then. QEMU emulates both an item at a time.
const noByteCopies = ",erms=off,fsrm=off"

// noCMPXCHG16B keeps a kernel from using this instruction, number 141 of its CPU
// features. QEMU before 8.0 emulates it wrongly: it computes the flags with an operation
// that is not the last one. They may be any number, such as the low half of a pointer. An
// interrupt at this moment, which is more frequent on a busy host, saves them, and its
// return sets the bits for single steps or nested tasks. The kernel's allocator uses the
// instruction all the time.
//
// The CPU keeps it, because a program may require the level x86-64-v2.
//
// case 0x1c7 in https://gitlab.com/qemu-project/qemu/-/blob/v7.2.0/target/i386/tcg/translate.c
// helper_cmpxchg16b in https://gitlab.com/qemu-project/qemu/-/blob/v7.2.0/target/i386/tcg/mem_helper.c
// X86_FEATURE_CX16 in https://elixir.bootlin.com/linux/v6.12/source/arch/x86/include/asm/cpufeatures.h
const noCMPXCHG16B = "clearcpuid=141"

// noTimerCheck spares a kernel the test of its timer, as a kernel under KVM spares it
// itself. It counts interrupts for ten ticks of the time stamp counter. Those that are due
// while QEMU does not run come as one, and then it panics: "IO-APIC + timer doesn't work".
//
// timer_irq_works() in https://elixir.bootlin.com/linux/v6.12/source/arch/x86/kernel/apic/io_apic.c
const noTimerCheck = "no_timer_check"

// arch is this machine's; the zero value if [CheckArch] returns an error.
var arch = archs[runtime.GOARCH]

// DefaultQEMU is found in PATH.
var DefaultQEMU = arch.QEMU

// CheckArch rejects an architecture that machines here cannot have, by Go's name; "" is
// this machine's. Guests run this program, so theirs is the same.
func CheckArch(name string) error {
	if name == "" {
		name = runtime.GOARCH
	}
	if _, ok := archs[name]; !ok || name != runtime.GOARCH {
		return fmt.Errorf("no machines of %s on %s: there are machines of %s, each on a host of its own", name, runtime.GOARCH,
			strings.Join(slices.Sorted(maps.Keys(archs)), ", "))
	}
	return nil
}
