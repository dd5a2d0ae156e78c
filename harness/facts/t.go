// SPDX-License-Identifier: MIT

package facts

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// T is the context of an experiment, similar to testing.T: a method that fails ends the
// experiment, and resources are closed after it, the last first.
type T struct {
	ctx     context.Context
	kernel  Version
	cpus    []int // that this process may run on
	machine bool  // that the kernel runs in a machine for experiments alone
	checks  []Check
	cleanup []func() error
	err     error
}

// Boot says which boot of several an experiment runs in.
type Boot string

// The boots.
const (
	OnlyBoot  Boot = ""      // the only boot: experiments that take two are not supported
	FirstBoot Boot = "first" // experiments that take two run their first half
	NextBoot  Boot = "next"  // only experiments that take two run, their second half
)

// Run runs the experiments with these ids, in the order of [Statements], and reports each
// result as soon as it is known.
func Run(ctx context.Context, ids []string, boot Boot, take func(Result) error) error {
	on, err := running()
	if err != nil {
		return err
	}
	statements, err := Select(ids)
	if err != nil {
		return err
	}
	cpus, err := affinity()
	if err != nil {
		return err
	}
	raiseMemlock()
	for _, s := range statements {
		if err := ctx.Err(); err != nil {
			return err
		}
		run := s.run
		switch {
		case s.next != nil && boot == OnlyBoot:
			run = func(t *T) { t.cannot("takes two boots: a kernel in a machine (--kernel)") }
		case boot == NextBoot:
			run = s.next
		}
		t := &T{ctx: ctx, kernel: on, cpus: cpus, machine: boot != OnlyBoot}
		begun := time.Now()
		t.do(run)
		result := conclude(s, on, t.checks, t.err)
		result.DurationNS = time.Since(begun).Nanoseconds()
		if err := take(result); err != nil {
			return err
		}
	}
	return nil
}

// raiseMemlock removes this process's RLIMIT_MEMLOCK, against which maps count before
// 5.11. An error is ignored: the experiments then fail.
func raiseMemlock() {
	_ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY})
}

// do runs an experiment on a thread of its own, which ends with it. CPU affinity and
// other changes of the thread end too.
func (t *T) do(run func(*T)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocks
		defer t.close()
		defer func() {
			if p := recover(); p != nil {
				t.err = fmt.Errorf("panic: %v", p)
			}
		}()
		t.onCPU(0)
		run(t)
	}()
	<-done
}

// close undoes what the experiment did.
func (t *T) close() {
	for len(t.cleanup) > 0 {
		last := t.cleanup[len(t.cleanup)-1]
		t.cleanup = t.cleanup[:len(t.cleanup)-1]
		if err := last(); err != nil && t.err == nil {
			t.err = fmt.Errorf("clean up: %w", err)
		}
	}
}

// after registers a function to call when the experiment is over.
func (t *T) after(f func() error) { t.cleanup = append(t.cleanup, f) }

// check compares an observed value with the expected one. Both are formatted by
// fmt.Sprint.
func (t *T) check(what string, want, seen any) {
	t.checks = append(t.checks, Check{what, show(want), show(seen)})
}

// checkAll compares a value for each of several cases, in one check.
func checkAll[C any](t *T, what string, cases []C, want, seen func(C) any) {
	var wants, seens []string
	for _, c := range cases {
		wants = append(wants, show(want(c)))
		seens = append(seens, show(seen(c)))
	}
	t.check(what, strings.Join(wants, " "), strings.Join(seens, " "))
}

// show writes errors by their names, as EAGAIN, and a success as ok.
func show(value any) string {
	switch v := value.(type) {
	case nil:
		return "ok"
	case unix.Errno:
		return errnoName(v)
	case []unix.Errno:
		return joined(v)
	case error:
		return errnoOf(v)
	case bool:
		return map[bool]string{true: "yes", false: "no"}[v]
	}
	return fmt.Sprint(value)
}

func joined[T any](values []T) string {
	var all []string
	for _, v := range values {
		all = append(all, show(v))
	}
	return strings.Join(all, " ")
}

// enotsupp is an errno of the kernel's own that reaches user space nevertheless:
// https://elixir.bootlin.com/linux/v6.12/source/include/linux/errno.h
const enotsupp = unix.Errno(524)

func errnoName(e unix.Errno) string {
	switch name := unix.ErrnoName(e); {
	case e == 0:
		return "ok"
	case e == enotsupp:
		return "ENOTSUPP"
	case e == unix.EOPNOTSUPP:
		return "EOPNOTSUPP" // the same number as ENOTSUP, and the name in the kernel
	case name != "":
		return name
	}
	return fmt.Sprintf("errno %d", int(e))
}

// errnoOf is the name of the errno that an error wraps, or its text.
func errnoOf(err error) string {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errnoName(errno)
	}
	return err.Error()
}

// end ends the experiment.
func (t *T) end(err error) {
	t.err = err
	runtime.Goexit()
}

// must ends the experiment if something that it needs went wrong.
func (t *T) must(doing string, err error) {
	if err != nil {
		t.end(fmt.Errorf("%s: %w", doing, err))
	}
}

// absent ends the experiment: the kernel lacks the feature that the statement is about.
func (t *T) absent(err error) { t.end(absentError{errors.New(errnoOf(err))}) }

// cannot ends the experiment: this machine lacks what the experiment needs.
func (t *T) cannot(format string, args ...any) { t.end(cannotError(fmt.Sprintf(format, args...))) }

// eventually waits until a condition holds, for [patience] at most: the kernel frees
// objects after a grace period of RCU, from a worker.
func (t *T) eventually(so func() bool) bool {
	for deadline := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		if so() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

// patience is how long to wait for asynchronous work of the kernel: grace periods of an
// emulated machine on a busy host take some 100 ms.
const patience = time.Minute
