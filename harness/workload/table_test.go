// SPDX-License-Identifier: MIT

package workload

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unsafe"
)

// TestTableLayout compares the Go structs with the fields of load.h, which have no
// implicit padding: their sizes add up.
func TestTableLayout(t *testing.T) {
	for name, size := range map[string]uintptr{"table": unsafe.Sizeof(table{}), "start": unsafe.Sizeof(start{})} {
		if got := headerSize(t, name); got != size {
			t.Errorf("struct %s: %d bytes in load.h, %d in Go", name, got, size)
		}
	}
}

// headerSize adds up the fields of a struct in load.h.
func headerSize(t *testing.T, name string) uintptr {
	t.Helper()
	text, err := os.ReadFile("load.h")
	if err != nil {
		t.Fatal(err)
	}
	_, body, ok := strings.Cut(string(text), "struct "+name+" {")
	if !ok {
		t.Fatalf("no struct %s", name)
	}
	body, _, _ = strings.Cut(body, "};")
	field := regexp.MustCompile(`u?int(\d+)_t \w+(?:\[(\w+)\])?;`)
	lengths := map[string]uintptr{"": 1, "MAX_UIDS": maxUIDs, "STRETCHES": stretches}
	var size uintptr
	for _, m := range field.FindAllStringSubmatch(body, -1) {
		bits, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		size += uintptr(bits/8) * lengths[m[2]]
	}
	return size
}
