// SPDX-License-Identifier: MIT

// Command statement decides on each of some kernels whether a statement about the
// transports holds.
//
//	go run ./examples/statement format-lost 5.10 6.1
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/ringtwin/ringtwin"
	"github.com/ringtwin/ringtwin/harness/facts"
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
	statements, err := facts.Select(os.Args[1:2])
	must(err)
	kernels, err := host.Resolve(ctx, os.Args[2:]...)
	must(err)
	d := ringtwin.Decider{Host: host}
	grid, err := d.Decide(ctx, kernels, statements)
	must(err)
	for _, column := range grid.Columns {
		result := column.Results[statements[0].ID]
		fmt.Printf("%s: %s: %s\n", column.Kernel, result.Verdict, result.Seen)
	}
}
