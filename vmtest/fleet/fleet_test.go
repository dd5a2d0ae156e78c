// SPDX-License-Identifier: MIT

package fleet

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// meter counts how many are inside, and the maximum so far.
type meter struct{ now, most atomic.Int64 }

func (m *meter) enter(n int64) {
	now := m.now.Add(n)
	for most := m.most.Load(); now > most && !m.most.CompareAndSwap(most, now); most = m.most.Load() {
	}
}

func TestLimits(t *testing.T) {
	for name, test := range map[string]struct {
		limits       Limits
		task         Task
		most, mostMB int64
	}{
		"jobs":       {Limits{Jobs: 2, Threads: 100, MemoryBytes: 1 << 40}, Task{Threads: 1, MemoryBytes: 1}, 2, 2},
		"threads":    {Limits{Threads: 4, MemoryBytes: 1 << 40}, Task{Threads: 2, MemoryBytes: 1}, 2, 2},
		"memory":     {Limits{Threads: 100, MemoryBytes: 1000}, Task{Threads: 1, MemoryBytes: 300}, 3, 900},
		"beyond all": {Limits{Threads: 2, MemoryBytes: 1000}, Task{Threads: 8, MemoryBytes: 5000}, 1, 5000},
		"no need":    {Limits{Threads: 3, MemoryBytes: 1 << 40}, Task{}, 3, 3},
	} {
		t.Run(name, synced(func(t *testing.T) {
			var runs, bytes meter
			var tasks []Task
			for range 12 {
				task := test.task
				task.Run = func(context.Context, error) error {
					runs.enter(1)
					bytes.enter(max(task.MemoryBytes, 1))
					time.Sleep(time.Second) // until all that may run do
					runs.now.Add(-1)
					bytes.now.Add(-max(task.MemoryBytes, 1))
					return nil
				}
				tasks = append(tasks, task)
			}
			for i, err := range Run(t.Context(), test.limits, tasks) {
				if err != nil {
					t.Errorf("task %d: %v", i, err)
				}
			}
			if got := runs.most.Load(); got != test.most {
				t.Errorf("%d at once, want %d", got, test.most)
			}
			if got := bytes.most.Load(); got > test.mostMB {
				t.Errorf("%d bytes at once, want at most %d", got, test.mostMB)
			}
		}))
	}
}

// synced runs a test in a bubble whose clock advances when all goroutines are blocked.
func synced(f func(*testing.T)) func(*testing.T) {
	return func(t *testing.T) { synctest.Test(t, f) }
}

// TestDownloadsAreALane: one at a time, while tasks run.
func TestDownloadsAreALane(t *testing.T) {
	var fetching meter
	var order []int
	var mu sync.Mutex
	first := make(chan struct{})
	var tasks []Task
	for i := range 5 {
		tasks = append(tasks, Task{
			Fetch: func(context.Context) error {
				fetching.enter(1)
				defer fetching.now.Add(-1)
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				if i == 4 {
					close(first)
				}
				return nil
			},
			Run: func(context.Context, error) error {
				<-first // the last download is over before the first task is
				return nil
			},
			Threads: 1,
		})
	}
	Run(t.Context(), Limits{Threads: 2, MemoryBytes: 1 << 20}, tasks)
	if fetching.most.Load() != 1 {
		t.Errorf("%d downloads at once", fetching.most.Load())
	}
	for i, got := range order {
		if got != i {
			t.Fatalf("downloads in the order %v", order)
		}
	}
}

// TestFailuresStayApart: an error or a panic does not affect other tasks.
func TestFailuresStayApart(t *testing.T) {
	bad := errors.New("bad")
	fine := func(_ context.Context, fetched error) error { return fetched }
	errs := Run(t.Context(), Limits{}, []Task{
		{Run: fine},
		{Fetch: func(context.Context) error { return bad }, Run: fine},
		{Run: func(context.Context, error) error { panic("oh") }},
		{Fetch: func(context.Context) error { panic("no") }, Run: fine},
		{Run: fine},
	})
	if errs[0] != nil || errs[4] != nil {
		t.Errorf("good tasks: %v, %v", errs[0], errs[4])
	}
	if !errors.Is(errs[1], bad) || errs[2] == nil || errs[3] == nil {
		t.Errorf("bad tasks: %v, %v, %v", errs[1], errs[2], errs[3])
	}
}

// TestCancelledTasksRun: to record that they were cancelled.
func TestCancelledTasksRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	errs := Run(ctx, Limits{Jobs: 1}, []Task{
		{Run: func(ctx context.Context, _ error) error { return ctx.Err() }},
		{Run: func(ctx context.Context, _ error) error { return ctx.Err() }},
	})
	for i, err := range errs {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("task %d: %v", i, err)
		}
	}
}

func TestAvailableMemory(t *testing.T) {
	if n, err := AvailableMemory(); err != nil || n < 1<<20 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if n, err := parseAvailable([]byte("MemTotal: 9 kB\nMemAvailable:    1024 kB\n")); err != nil || n != 1<<20 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if _, err := parseAvailable(nil); err == nil {
		t.Error("nothing has memory")
	}
}
