// SPDX-License-Identifier: MIT

package plugin

import (
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/ringtwin/ringtwin/internal/testutils"
)

// TestLayout compares layout.go with what a compiler makes of layout.h.
func TestLayout(t *testing.T) {
	testutils.Compiler(t)
	want := map[string]uint64{
		"MAGIC": magic, "MAX_FUNCTIONS": maxFunctions, "MAX_STRANGERS": maxStrangers, "MAX_NODES": maxNodes,
		"MAX_WINDOWS": maxWindows, "MAX_CPUS": MaxCPUs, "MAX_ENTRIES": maxEntries, "USER": user, "STRANGER": stranger, "USER_NODE": userNode,
		"FUNCTIONS_AT": functionsAt, "NODES_AT": uint64(nodesAt), "WINDOWS_AT": uint64(windowsAt),
		"ENTRIES_AT": uint64(entriesAt), "SHARED_BYTES": uint64(sharedBytes),

		"INSTRUCTIONS": uint64(Instructions), "LOADS": uint64(Loads), "STORES": uint64(Stores), "BYTES": uint64(Bytes),
		"JUMPS_TAKEN": uint64(Branches), "LINES": uint64(Lines), "COUNTERS": uint64(counters),
		"L1D_MISSES": uint64(L1DMisses), "L1I_MISSES": uint64(L1IMisses), "L2_MISSES": uint64(L2Misses),
		"L1D_STREAMED": uint64(L1DStreamed), "L2_STREAMED": uint64(L2Streamed),
		"KERNEL_RETURNS": uint64(KernelReturns), "ENTRIES": uint64(Entries), "LOCKED": uint64(Locked),
		"TSC_READS": uint64(TSCReads), "DEVICE_WRITES": uint64(DeviceWrites),
		"TRANSFERS": uint64(Transfers), "LOCKS": uint64(Locks), "HELD": uint64(Held), "HELD_TRANSFERS": uint64(HeldTransfers),
		"L1D": l1d, "L1I": l1i, "L2": l2, "CACHES": caches,

		"ROLE_CLOCK": uint64(roleClock), "ROLE_QUEUE": uint64(roleQueue), "ROLE_RUNTIME": uint64(roleRuntime),
		"ROLE_SWITCH": uint64(roleSwitch), "ROLE_FAULT": uint64(roleFault), "ROLE_ENTRY": uint64(roleEntry),
		"ROLE_SCHEDULE": uint64(roleSchedule), "ROLE_GAP": uint64(roleGap), "ROLE_PAGE": uint64(rolePage),
		"ROLE_OPCODE": uint64(roleOpcode),

		"FAULTS": uint64(len(faults)),

		"sizeof(struct function)":            uint64(unsafe.Sizeof(function{})),
		"offsetof(struct function, address)": uint64(unsafe.Offsetof(function{}.Address)),
		"offsetof(struct function, role)":    uint64(unsafe.Offsetof(function{}.Role)),

		"sizeof(struct node)":             uint64(unsafe.Sizeof(node{})),
		"offsetof(struct node, parent)":   uint64(unsafe.Offsetof(node{}.Parent)),
		"offsetof(struct node, function)": uint64(unsafe.Offsetof(node{}.Function)),

		"sizeof(struct window)":           uint64(unsafe.Sizeof(window{})),
		"offsetof(struct window, kind)":   uint64(unsafe.Offsetof(window{}.Kind)),
		"offsetof(struct window, labels)": uint64(unsafe.Offsetof(window{}.Labels)),
		"offsetof(struct window, before)": uint64(unsafe.Offsetof(window{}.Before)),
		"offsetof(struct window, thread)": uint64(unsafe.Offsetof(window{}.Thread)),

		"sizeof(struct entry)":           uint64(unsafe.Sizeof(entry{})),
		"offsetof(struct entry, window)": uint64(unsafe.Offsetof(entry{}.Window)),
		"offsetof(struct entry, node)":   uint64(unsafe.Offsetof(entry{}.Node)),
		"offsetof(struct entry, count)":  uint64(unsafe.Offsetof(entry{}.Count)),

		"sizeof(struct geometry)":         uint64(unsafe.Sizeof(geometry{})),
		"offsetof(struct geometry, ways)": uint64(unsafe.Offsetof(geometry{}.Ways)),
		"offsetof(struct header, caches)": uint64(unsafe.Offsetof(header{}.Caches)),

		"sizeof(struct header)":              uint64(unsafe.Sizeof(header{})),
		"offsetof(struct header, magic)":     uint64(unsafe.Offsetof(header{}.Magic)),
		"offsetof(struct header, functions)": uint64(unsafe.Offsetof(header{}.Functions)),
		"offsetof(struct header, running)":   uint64(unsafe.Offsetof(header{}.Running)),
		"offsetof(struct header, fault)":     uint64(unsafe.Offsetof(header{}.Fault)),
		"offsetof(struct header, nodes)":     uint64(unsafe.Offsetof(header{}.Nodes)),
		"offsetof(struct header, windows)":   uint64(unsafe.Offsetof(header{}.Windows)),
		"offsetof(struct header, entries)":   uint64(unsafe.Offsetof(header{}.Entries)),
		"offsetof(struct header, strangers)": uint64(unsafe.Offsetof(header{}.Strangers)),
		"offsetof(struct header, cut)":       uint64(unsafe.Offsetof(header{}.Cut)),
		"offsetof(struct header, stranger)":  uint64(unsafe.Offsetof(header{}.Stranger)),
	}
	var source strings.Builder
	source.WriteString("#include \"layout.h\"\n#include <stddef.h>\n#include <stdio.h>\nint main(void)\n{\n")
	names := slices.Sorted(maps.Keys(want))
	for _, name := range names {
		fmt.Fprintf(&source, "\tprintf(\"%%llu\\n\", (unsigned long long)(%s));\n", name)
	}
	source.WriteString("}\n")
	values := wordsOf(t, source.String())
	for i, name := range names {
		if got := values[i]; got != fmt.Sprint(want[name]) {
			t.Errorf("%s is %s in layout.h, %d in layout.go", name, got, want[name])
		}
	}
}

// wordsOf are what a program in C prints, which may include the plugin's headers.
func wordsOf(t *testing.T, source string) []string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	compiler := exec.Command("gcc", "-x", "c", "-I.", "-o", program, "-")
	compiler.Stdin = strings.NewReader(source)
	if out, err := compiler.CombinedOutput(); err != nil {
		t.Fatalf("compile: %v\n%s", err, out)
	}
	out, err := exec.Command(program).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}
