// SPDX-License-Identifier: MIT

package record_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
)

// What is no record is an error with its line; the others are read all the same.
func ExampleRead() {
	var text strings.Builder
	for _, cell := range []record.Cell{{Transport: "perf", PayloadBytes: 64}, {Transport: "ringbuf", PayloadBytes: 64}} {
		t := record.Trial{Schema: record.Schema, ID: string(cell.Transport), Status: record.BootFailed, Cell: cell}
		if err := record.Write(&text, &t); err != nil {
			fmt.Println(err)
		}
	}
	text.WriteString("{\"schema\": 1}\n")

	trials, err := record.Read(strings.NewReader(text.String()))
	for _, t := range trials {
		fmt.Println(t.ID, t.Status, t.Cell.PayloadBytes)
	}
	if line := (*record.LineError)(nil); errors.As(err, &line) {
		fmt.Println("not a record: line", line.Line)
	}
	// Output:
	// perf boot-failed 64
	// ringbuf boot-failed 64
	// not a record: line 3
}
