// SPDX-License-Identifier: MIT

package faults

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

// finding is the result of one run.
type finding struct {
	called    string // the status of what was hit
	late      bool   // the fault came when all was over
	missed    error  // why, if it could not inject
	lost      int    // records that were complete before
	processes int    // left behind
	files     int
	took      time.Duration // from the inject until it had its name
	limit     time.Duration
	boot      time.Duration // of the machine that was saved, if one was
	peakKiB   int
	wrong     []string
}

func (f *finding) refuse(bad bool, format string, args ...any) {
	if bad {
		f.wrong = append(f.wrong, fmt.Sprintf(format, args...))
	}
}

// maxPeakKiB is what the tool's memory may grow to, whatever is sent to it.
const maxPeakKiB = 100 << 10

// verify compares the outcome of a run with the required one.
func (r *run) verify(struckErr error) *finding {
	f := &finding{missed: struckErr, limit: r.fault.limit, boot: r.boot(), peakKiB: r.peakKiB}
	trials, err := r.records()
	f.refuse(err != nil, "records: %v", err)
	var hit []record.Trial
	for _, t := range trials {
		if t.Status != record.OK {
			hit = append(hit, t)
		}
	}
	r.verifyInjection(f, hit, len(trials), struckErr)
	r.verifyStatuses(f, hit)
	r.verifyEnd(f, len(trials))
	complete := r.completed(r.begun)
	f.lost = max(complete-len(trials), 0)
	for _, t := range trials[:min(complete, len(trials))] {
		if t.Status != record.OK {
			f.lost++
		}
	}
	f.refuse(f.lost > 0, "%d completed records lost", f.lost)
	if r.fault.check != nil {
		err := r.fault.check(r)
		f.refuse(err != nil, "%v", err)
	}
	r.verifyTime(f, hit)
	f.refuse(r.peakKiB > maxPeakKiB, "the tool took %d MiB", r.peakKiB>>10)
	return f
}

// verifyInjection: the fault was injected before all was over. Unrelated failures must
// not be attributed to it.
func (r *run) verifyInjection(f *finding, hit []record.Trial, trials int, err error) {
	switch {
	case errors.Is(err, errEarly) && len(hit) > 0:
		f.refuse(true, "went wrong before the fault: %s: %s", hit[0].Status, hit[0].Reason)
	case errors.Is(err, errEarly), errors.Is(err, errOver) && len(hit) == 0:
		f.late = true
	case err != nil && !errors.Is(err, errOver):
		f.refuse(true, "could not inject: %v", err)
	case len(r.fault.called) > 0 && !r.fault.may:
		f.late = len(hit) == 0 && trials == 4*r.blocks
	}
}

// verifyStatuses: all that was hit has the right status.
func (r *run) verifyStatuses(f *finding, hit []record.Trial) {
	by := r.named
	if by.IsZero() {
		by = r.over
	}
	early, ready := r.states(r.begun, by)
	var want []record.Status
	if early {
		want = append(want, r.fault.early...)
		f.limit = max(f.limit, r.fault.earlyLimit)
	}
	if ready {
		want = append(want, r.fault.called...)
	}
	for _, t := range hit {
		f.called = string(t.Status)
		f.refuse(!slices.Contains(want, t.Status), "%s is %s, want %v: %s", t.ID, t.Status, want, t.Reason)
		f.refuse(r.stage == measure && t.Status != record.Cancelled && t.Trial.Block != hit[0].Trial.Block, "%s is hit, of another block", t.ID)
	}
	said := strings.ToLower(r.stdout.String() + r.stderr())
	silent := !strings.Contains(said, strings.ToLower(r.fault.says))
	f.refuse(silent && r.cmd.ProcessState.ExitCode() == 3, "it did not say %q", r.fault.says)
	if len(hit) == 0 {
		f.called = string(record.OK)
	}
}

func (r *run) stderr() string {
	var b strings.Builder
	for _, s := range r.said {
		b.WriteString(s.text + "\n")
	}
	return b.String()
}

// verifyEnd: the tool ended as it should, and recorded all that was planned.
func (r *run) verifyEnd(f *finding, trials int) {
	code := r.cmd.ProcessState.ExitCode()
	f.refuse(!slices.Contains(r.fault.exits, code), "exit code %d, want %v", code, r.fault.exits)
	switch {
	case code < 0:
		f.called = "cut off"
	case r.fault.cutOff, trials == 0 && r.fault.may && code == 3:
		f.called = "error: " + r.fault.says // there is no room to record it
	default:
		f.refuse(trials != 4*r.blocks, "%d records, want %d", trials, 4*r.blocks)
	}
	f.refuse(f.called != string(record.OK) && code == 0, "exit code 0")
}

func (r *run) verifyTime(f *finding, hit []record.Trial) {
	named := r.named
	if len(hit) == 0 {
		named = r.over
	}
	f.took = max(named.Sub(r.struck), 0)
	f.refuse(*flagTimed && f.took > f.limit, "took %s, at most %s", f.took.Round(time.Millisecond), f.limit)
}

// verifyLeft counts, ends and removes what is left behind. Processes may outlive the tool
// for a while: the kernel kills them, and has to free their memory.
func (r *run) verifyLeft(f *finding) {
	var pids []int
	for deadline := time.Now().Add(testutils.Limit); ; time.Sleep(5 * time.Millisecond) {
		if pids = r.processes(); len(pids) == 0 || time.Now().After(deadline) {
			break
		}
	}
	f.processes = len(pids)
	for _, pid := range pids {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		f.refuse(true, "process left: %.100q", line)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	for _, path := range r.leftFiles() {
		f.files++
		f.refuse(true, "file left: %s", path)
	}
}

// leftFiles are temporary files in any directory of the run, and mounts.
func (r *run) leftFiles() []string {
	var left []string
	for _, dir := range []string{r.temp, filepath.Join(r.cache, "tmp"), r.cache, r.out} {
		all := dir == r.temp || dir == filepath.Join(r.cache, "tmp")
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || path == dir {
				return nil
			}
			name := d.Name()
			if all || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".old") || strings.HasSuffix(name, ".kvm") {
				left = append(left, path)
				if d.IsDir() {
					return fs.SkipDir
				}
			}
			return nil
		})
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) > 4 && strings.HasPrefix(fields[4], r.dir) && !slices.Contains(r.mounts, fields[4]) {
			left = append(left, "mount "+fields[4])
		}
	}
	return left
}
