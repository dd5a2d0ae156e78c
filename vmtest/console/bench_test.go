// SPDX-License-Identifier: MIT

package console

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// BenchmarkScan: a kernel that writes endlessly, with time stamps and without, a program
// that does, and a kernel with nothing but splats.
func BenchmarkScan(b *testing.B) {
	var stamped bytes.Buffer
	for i := range 200_000 {
		fmt.Fprintf(&stamped, "[%5d.%06d] usb 1-%d: New USB device found, idVendor=1d6b, idProduct=%04x, bcdDevice= 6.01\r\n", i/1000, i%1000*1000, i%9, i%65536)
	}
	for _, log := range []struct {
		name string
		log  []byte
	}{
		{"stamped", stamped.Bytes()},
		{"quiet", bytes.Repeat([]byte(strings.Repeat("all work and no play makes a dull kernel; ", 24)+"\r\n"), 10_000)},
		{"program", append([]byte("[    0.000000] Linux version 6.1\r\n"), bytes.Repeat([]byte("--- PASS: TestSomething (0.01s)\r\n"), 300_000)...)},
		{"loud", bytes.Repeat(readLog(b, "6.12-int3-oops-and-panic.log"), 1000)},
	} {
		b.Run(log.name, func(b *testing.B) {
			b.SetBytes(int64(len(log.log)))
			for b.Loop() {
				Scan(log.log)
			}
		})
	}
}
