// SPDX-License-Identifier: MIT

// Package fleet runs the work on many kernels at once, as far as the machine
// goes: downloads one after the other in a lane of their own, machines side by
// side as memory and cores allow. One task's failure is no other's.
//
// It knows nothing of kernels or machines beyond what they take.
package fleet

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sync/semaphore"
)

// Task is work on one kernel. Tasks that begin when those before them have fetched
// what they need come after them.
type Task struct {
	// Fetch gets what the work needs from outside. If it fails, Run is called
	// all the same, with its error: only Run knows what to record. May be nil.
	Fetch func(context.Context) error
	// Run does the work.
	Run func(ctx context.Context, fetched error) error
	// Threads and MemoryBytes are what Run takes of the host.
	Threads     int
	MemoryBytes int64
}

// Limits are what all running tasks may take together. A task that takes more
// by itself runs alone.
type Limits struct {
	Jobs        int // tasks that run at once; 0: no limit but the others
	Threads     int
	MemoryBytes int64
}

// Run does all tasks and returns the error of each, index by task. Tasks begin
// in their order, as far as their downloads allow. When the context ends, tasks
// that have not begun are still run, so that each can record that it was
// cancelled.
func Run(ctx context.Context, limits Limits, tasks []Task) []error {
	limits = limits.defaults(len(tasks))
	jobs := semaphore.NewWeighted(int64(limits.Jobs))
	threads := semaphore.NewWeighted(int64(limits.Threads))
	memory := semaphore.NewWeighted(limits.MemoryBytes)

	errs := make([]error, len(tasks))
	var running sync.WaitGroup
	// What is fetched waits here for its turn, and the next download begins.
	ready := make(chan int, len(tasks))
	fetched := make([]error, len(tasks))
	go func() {
		defer close(ready)
		for i, task := range tasks {
			if task.Fetch != nil {
				fetched[i] = protect(func() error { return task.Fetch(ctx) })
			}
			ready <- i
		}
	}()
	for i := range ready {
		task := tasks[i]
		takes := []struct {
			of *semaphore.Weighted
			n  int64
		}{
			{jobs, 1},
			{threads, int64(min(max(task.Threads, 1), limits.Threads))},
			{memory, min(max(task.MemoryBytes, 1), limits.MemoryBytes)},
		}
		for _, take := range takes {
			// Not ctx: a cancelled task runs too, and whoever holds these ends soon.
			_ = take.of.Acquire(context.Background(), take.n)
		}
		running.Go(func() {
			errs[i] = protect(func() error { return task.Run(ctx, fetched[i]) })
			for _, take := range takes {
				take.of.Release(take.n)
			}
		})
	}
	running.Wait()
	return errs
}

func (l Limits) defaults(tasks int) Limits {
	if l.Jobs <= 0 {
		l.Jobs = max(tasks, 1)
	}
	if l.Threads <= 0 {
		l.Threads = runtime.NumCPU()
	}
	if l.MemoryBytes <= 0 {
		l.MemoryBytes = 1 << 30
	}
	return l
}

// protect makes an error of a panic: it must not take the other tasks along.
func protect(work func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return work()
}
