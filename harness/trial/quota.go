// SPDX-License-Identifier: MIT

package trial

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"golang.org/x/sys/unix"
)

// quotaPeriodUS is the period of a quota, the kernel's default.
const quotaPeriodUS = 100_000

// quota is a cgroup for the reading thread. It is threaded: the rest of this process stays
// where it is.
//
// https://docs.kernel.org/admin-guide/cgroup-v2.html#threads
type quota struct {
	mount, dir string
}

// newQuota makes a cgroup that gets so many percent of a CPU. The error wraps
// [bpf.ErrUnsupported] where cgroups of version 2 have no cpu controller.
func newQuota(percent int) (_ *quota, err error) {
	q := &quota{}
	defer func() {
		if err != nil {
			err = errors.Join(err, q.close())
		}
	}()
	mount, err := os.MkdirTemp("", "ringtwin-cgroup-")
	if err != nil {
		return nil, fmt.Errorf("make directory for cgroups: %w", err)
	}
	if err := unix.Mount("cgroup2", mount, "cgroup2", 0, ""); err != nil {
		return nil, errors.Join(fmt.Errorf("reader_cpu=quota: mount cgroup2: %w: %w", bpf.ErrUnsupported, err), os.Remove(mount))
	}
	q.mount = mount
	if err := os.WriteFile(filepath.Join(mount, "cgroup.subtree_control"), []byte("+cpu"), 0); err != nil {
		return nil, fmt.Errorf("reader_cpu=quota: cgroups of version 2 have no cpu controller here: %w: %w", bpf.ErrUnsupported, err)
	}
	if q.dir, err = os.MkdirTemp(mount, "ringtwin-"); err != nil {
		return nil, fmt.Errorf("make cgroup: %w", err)
	}
	for _, set := range []struct{ file, text string }{
		{"cgroup.type", "threaded"},
		{"cpu.max", fmt.Sprintf("%d %d", percent*quotaPeriodUS/100, quotaPeriodUS)},
	} {
		if err := os.WriteFile(filepath.Join(q.dir, set.file), []byte(set.text), 0); err != nil {
			return nil, fmt.Errorf("set %s of a cgroup: %w", set.file, err)
		}
	}
	return q, nil
}

// join moves the calling thread into the cgroup.
func (q *quota) join() error {
	thread := []byte(strconv.Itoa(unix.Gettid()))
	if err := os.WriteFile(filepath.Join(q.dir, "cgroup.threads"), thread, 0); err != nil {
		return fmt.Errorf("move the reader into a cgroup: %w", err)
	}
	return nil
}

// leave moves the calling thread out of it.
func (q *quota) leave() error {
	thread := []byte(strconv.Itoa(unix.Gettid()))
	return os.WriteFile(filepath.Join(q.mount, "cgroup.threads"), thread, 0)
}

func (q *quota) close() error {
	var errs []error
	if q.dir != "" {
		errs = append(errs, unix.Rmdir(q.dir))
	}
	if q.mount != "" {
		errs = append(errs, unix.Unmount(q.mount, unix.MNT_DETACH), os.Remove(q.mount))
	}
	return errors.Join(errs...)
}

// starve limits the reading thread as the cell says. It returns what has to be undone, in
// the thread, once it has read.
func starve(limit vocab.ReaderCPU, q *quota) (undo func() error, err error) {
	undo = func() error { return nil }
	if _, nice := limit.Limits(); nice != 0 {
		if err := unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), nice); err != nil {
			return undo, fmt.Errorf("set the reader's nice value to %d: %w", nice, err)
		}
	}
	if q != nil {
		return q.leave, q.join()
	}
	return undo, nil
}
