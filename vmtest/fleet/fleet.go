// SPDX-License-Identifier: MIT

// Package fleet runs work on many kernels at once, within the limits of the machine:
// downloads one after the other in a lane of their own, machines side by side as memory
// and cores allow. A task's failure does not affect the others.
//
// It knows nothing about kernels or machines except the resources that they use.
package fleet

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sync/semaphore"
)

// Task is work on one kernel. Tasks are fetched in order: a task that needs what others
// have fetched comes after them.
type Task struct {
	// Fetch downloads what the work needs. If it fails, Run is still called, with its
	// error: only Run knows what to record. May be nil.
	Fetch func(context.Context) error
	// Run does the work.
	Run func(ctx context.Context, fetched error) error
	// Threads and MemoryBytes are what Run takes of the host.
	Threads     int
	MemoryBytes int64
}

// Limits are what all running tasks may use together. A task that exceeds them by itself
// runs alone.
type Limits struct {
	Jobs        int // tasks that run at once; 0: no limit but the others
	Threads     int
	MemoryBytes int64
}

// Run runs all tasks and returns the error of each, indexed by task. Tasks start in
// order, as far as their downloads allow. When the context ends, tasks that have not
// started are still run, so that each can record its cancellation.
func Run(ctx context.Context, limits Limits, tasks []Task) []error {
	limits = limits.defaults(len(tasks))
	jobs := semaphore.NewWeighted(int64(limits.Jobs))
	threads := semaphore.NewWeighted(int64(limits.Threads))
	memory := semaphore.NewWeighted(limits.MemoryBytes)

	errs := make([]error, len(tasks))
	var running sync.WaitGroup
	// Fetched tasks wait here for their turn, while the next download begins.
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
			// Not ctx: a cancelled task runs too, and the holders of these end soon.
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

// protect turns a panic into an error: it must not end the other tasks.
func protect(work func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return work()
}
