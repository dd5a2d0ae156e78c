// SPDX-License-Identifier: MIT

package main

import (
	"strconv"
	"time"

	"github.com/ringtwin/ringtwin/harness/plan"
)

// planChoice is the flags that say what is measured.
type planChoice struct {
	Plan    string        `default:"quick" help:"A plan by name (${plans}) or the path of one." placeholder:"PLAN"`
	Set     []string      `sep:"none" help:"Change an axis of the plan, in all its scenarios: payload_bytes=64,4096 or pairs=[[perf/every,ringbuf/batch=64]]. Repeatable." placeholder:"KEY=VALUE"`
	Attach  string        `help:"Where to hook in: auto, tracepoint, kprobe, fentry, raw-tracepoint. Default: the plan's." placeholder:"POINT"`
	Blocks  int           `min:"1" max:"1000" help:"Blocks of four trials. Default: the plan's, or as many as it takes to decide." placeholder:"N"`
	Details bool          `help:"Show every comparison with all its figures, not the answer alone."`
	Budget  time.Duration `min:"1ms" max:"24h" help:"How long blocks are begun on a kernel, to decide what one of each configuration has not. Default: the plan's, or 1m." placeholder:"TIME"`
}

// load reads the plan and changes it as the flags say.
func (c *planChoice) load() (*plan.Plan, error) {
	p, err := plan.Load(c.Plan)
	if err != nil {
		return nil, err
	}
	set := c.Set
	if c.Attach != "" {
		set = append(set, "attach="+c.Attach)
	}
	if c.Blocks != 0 { // it was given
		set = append(set, "blocks="+strconv.Itoa(c.Blocks))
	}
	if c.Budget != 0 {
		set = append(set, "budget="+c.Budget.String())
	}
	for _, assignment := range set {
		if err := p.Set(assignment); err != nil {
			return nil, err
		}
	}
	return p, nil
}
