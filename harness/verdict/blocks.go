// SPDX-License-Identifier: MIT

package verdict

import (
	"fmt"
	"runtime"
	"sync"

	"github.com/ringtwin/ringtwin/harness/record"
)

// block is one boot of one run.
type block struct {
	run    string
	number int
}

func blockOf(t *record.Trial) block { return block{t.Trial.Run, t.Trial.Block} }

// sameBlocks pairs trials of the same boot.
func sameBlocks(a, b []*record.Trial) []blockPair {
	var pairs []blockPair
	index := map[block]int{}
	for side, trials := range [][]*record.Trial{a, b} {
		for _, t := range trials {
			at, ok := index[blockOf(t)]
			if !ok {
				at = len(pairs)
				index[blockOf(t)] = at
				pairs = append(pairs, blockPair{})
			}
			if side == 0 {
				pairs[at].a = append(pairs[at].a, t)
			} else {
				pairs[at].b = append(pairs[at].b, t)
			}
		}
	}
	return pairs
}

// independent returns the statistically independent comparisons, with their trials in the
// order of execution. Both sides share the effects of a boot, so a block with its own
// boot is one comparison. If all blocks are of the boot that was already running, each
// pair of trials is one: the order within a pair is random.
func independent(blocks []blockPair) []blockPair {
	var all []blockPair
	for _, b := range blocks {
		if len(b.a) != len(b.b) || !oneBoot(b) {
			all = append(all, b)
			continue
		}
		for i := range b.a {
			all = append(all, blockPair{b.a[i : i+1], b.b[i : i+1]})
		}
	}
	return all
}

// oneBoot reports whether the trials are of a kernel that was already running.
func oneBoot(b blockPair) bool {
	first, other := b.a[0], b.b[0]
	return first.Machine.Backend == record.Host && blockOf(first) == blockOf(other)
}

// numberedBlocks pairs boots of different runs, or of different kernels: the first of
// either side, the second, and so on. They share only their number, so drift of a machine
// does not cancel. The interval and p are still valid, since without a difference the
// sides are exchangeable.
func numberedBlocks(a, b []*record.Trial) []blockPair {
	as, bs := sameBlocks(a, nil), sameBlocks(nil, b)
	pairs := make([]blockPair, min(len(as), len(bs)))
	for i := range pairs {
		pairs[i] = blockPair{as[i].a, bs[i].b}
	}
	return pairs
}

// each calls do for 0 to n-1, on all CPUs.
func each(n int, do func(i int)) {
	var group sync.WaitGroup
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	for range min(n, runtime.GOMAXPROCS(0)) {
		group.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	group.Wait()
}

func fewEvents(need, have int64) string {
	return fmt.Sprintf("takes %d events a trial, these have %d", need, have)
}
