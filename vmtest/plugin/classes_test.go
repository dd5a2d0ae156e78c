// SPDX-License-Identifier: MIT

package plugin

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/internal/testutils"
)

// classesOf are the counters of the classes.
func classesOf(c Counts) Counts {
	clear(c[:KernelReturns])
	return c
}

// TestClasses compares what is counted of each class with what the guest's text says.
func TestClasses(t *testing.T) {
	model, err := ParseCaches(DefaultCaches)
	if err != nil {
		t.Fatal(err)
	}
	g := runWith(t, model, 1)
	for _, test := range []struct {
		window int
		path   string
		want   Counts
	}{
		{classed, "classes", Counts{KernelReturns: 1, Locked: 2, TSCReads: 1, DeviceWrites: 3}},
		{classed, "classes;classes_in", Counts{KernelReturns: 1}},
		{classed, inUser, Counts{}},
		{classed, inClock, Counts{KernelReturns: 1, TSCReads: 1}},
		{memory, "memory", Counts{KernelReturns: 1, Locked: 2}},
		{nested, "outer;middle;inner", Counts{KernelReturns: 2}},
		{faultOfFetch, inUser, Counts{}}, // a return, of the program
		{faultOfFetch, inPageFault, Counts{Entries: 1}},
		{faultOfOpcode, inUD, Counts{Entries: 1}},
	} {
		if got := classesOf(g.counts(test.window)[test.path]); got != test.want {
			t.Errorf("window %d, %s: %v, want %v", test.window, test.path, got[KernelReturns:], test.want[KernelReturns:])
		}
	}
	// Without a model there are none.
	for window, w := range run(t, 1).windows {
		for _, s := range w.Stacks {
			if got := classesOf(s.Counts); got != (Counts{}) {
				t.Errorf("window %d: %v without a model", window, got)
			}
		}
	}
}

// TestClassOf: the class of an instruction is in its bytes.
func TestClassOf(t *testing.T) {
	testutils.Compiler(t)
	tests := []struct {
		instruction, bytes, class string
		user                      bool
	}{
		{instruction: "ret", bytes: "c3", class: "KERNEL_RETURNS"},
		{instruction: "ret $8", bytes: "c20800", class: "KERNEL_RETURNS"},
		{instruction: "rep ret", bytes: "f3c3", class: "KERNEL_RETURNS"},
		{instruction: "ret of a program", bytes: "c3", user: true, class: "INSTRUCTIONS"},
		{instruction: "iretq", bytes: "48cf", class: "ENTRIES"},
		{instruction: "sysretq", bytes: "480f07", class: "ENTRIES"},
		{instruction: "sysexit", bytes: "0f35", class: "ENTRIES"},
		{instruction: "syscall", bytes: "0f05", user: true, class: "INSTRUCTIONS"},
		{instruction: "lock cmpxchg %rcx,(%rdi)", bytes: "f0480fb10f", class: "LOCKED"},
		{instruction: "cmpxchg %rcx,(%rdi)", bytes: "480fb10f", class: "INSTRUCTIONS"},
		{instruction: "lock incl %gs:(%rdi)", bytes: "65f0ff07", user: true, class: "LOCKED"},
		{instruction: "xchg %eax,(%rdi)", bytes: "8707", class: "LOCKED"},
		{instruction: "xchg %al,(%rdi)", bytes: "8607", class: "LOCKED"},
		{instruction: "xchg %rax,%rdi", bytes: "4887c7", class: "INSTRUCTIONS"},
		{instruction: "rdtsc", bytes: "0f31", class: "TSC_READS"},
		{instruction: "rdtscp", bytes: "0f01f9", class: "TSC_READS"},
		{instruction: "swapgs", bytes: "0f01f8", class: "INSTRUCTIONS"},
		{instruction: "wrmsr", bytes: "0f30", class: "DEVICE_WRITES"},
		{instruction: "rdmsr", bytes: "0f32", class: "INSTRUCTIONS"},
		{instruction: "out %eax,(%dx)", bytes: "ef", class: "DEVICE_WRITES"},
		{instruction: "out %al,$0x80", bytes: "e680", class: "DEVICE_WRITES"},
		{instruction: "rep outsb", bytes: "f36e", class: "DEVICE_WRITES"},
		{instruction: "in (%dx),%eax", bytes: "ed", class: "INSTRUCTIONS"},
		{instruction: "a prefix alone", bytes: "f0", class: "INSTRUCTIONS"},
	}
	var source strings.Builder
	source.WriteString("#include \"classes.h\"\n#include <stdio.h>\nint main(void)\n{\n\t(void)decode, (void)accesses_of, (void)may_stop, (void)mark_of;\n")
	for _, test := range tests {
		code := ""
		for i := 0; i < len(test.bytes); i += 2 {
			code += "\\x" + test.bytes[i:i+2]
		}
		fmt.Fprintf(&source, "\tprintf(\"%%d %%d\\n\", class_of((const uint8_t *)\"%s\", %d, %v), %s);\n", code, len(test.bytes)/2, map[bool]int{true: 1}[test.user], test.class)
	}
	source.WriteString("}\n")
	numbers := wordsOf(t, source.String())
	for i, test := range tests {
		if got, want := numbers[2*i], numbers[2*i+1]; got != want {
			t.Errorf("%s is of counter %s, want %s, %s", test.instruction, got, want, test.class)
		}
	}
}
