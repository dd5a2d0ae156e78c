// SPDX-License-Identifier: MIT

// Command ratio boots a kernel, measures a plan of one configuration on it, and prints what
// an event costs over the ring buffer as a ratio to the perf buffer.
//
//	go run ./examples/ratio 6.1
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/ringtwin/ringtwin"
	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/results"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/vmtest"
)

func main() {
	ringtwin.Init() // this program is its own guest
	must := func(err error) {
		if err != nil {
			log.Fatal(err)
		}
	}
	ctx := context.Background()
	host, err := vmtest.NewHost(ctx, vmtest.Config{})
	must(err)
	kernels, err := host.Resolve(ctx, os.Args[1])
	must(err)
	p, err := plan.Load("gate")
	must(err)
	out, err := results.New("out", p)
	must(err)
	c := ringtwin.Campaign{Host: host, Plan: p, Clock: record.Virtual, Results: out}
	_, err = c.Run(ctx, kernels)
	must(err)
	for _, comparison := range verdict.Compare(out.Trials()) {
		if row := comparison.Row("instructions_per_event"); row != nil {
			fmt.Printf("%s: %.2f (%.0f against %.0f instructions an event)\n", comparison.Kernel.Want, row.Ratio, row.B, row.A)
		}
	}
}
