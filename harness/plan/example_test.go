// SPDX-License-Identifier: MIT

package plan_test

import (
	"fmt"

	"github.com/ringtwin/ringtwin/harness/plan"
)

func ExampleParse() {
	p, err := plan.Parse([]byte("name: mine\nevents: 1000\npayload_bytes: [64, 512]\nring_bytes_total: 65536\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	configs, err := p.Configurations(2) // on a machine with two CPUs
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range configs {
		a, b := c.Cells[0], c.Cells[1]
		fmt.Printf("%d: %s/%s and %s/%s, %d bytes\n", c.Number, a.Transport, a.Policy, b.Transport, b.Policy, a.PayloadBytes)
	}
	// Output:
	// 0: perf/every and ringbuf/adaptive, 64 bytes
	// 1: perf/every and ringbuf/adaptive, 512 bytes
}

func ExampleParse_refused() {
	_, err := plan.Parse([]byte("name: mine\nevnts: 1000\nring_bytes_total: 65536\n"))
	fmt.Println(err)
	// Output: line 2: unknown key "evnts" (did you mean events?)
}
