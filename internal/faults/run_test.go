// SPDX-License-Identifier: MIT

package faults

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

// run is a run of the real tool with one fault.
type run struct {
	*shot
	dir      string   // of all that is below
	template string   // of its cache
	mounts   []string // on its directories
	cache    string
	out      string
	temp     string
	control  string // of the sockets of its machine, see testdata/qemu
	patience int    // of the tool
	cmd      *exec.Cmd
	stdout   bytes.Buffer
	said     []said // what the tool said on standard error, valid after ended
	lines    chan said
	ended    chan struct{}

	begun   time.Time // the inject
	struck  time.Time
	over    time.Time
	named   time.Time // when the first record was there that is not ok
	peakKiB int       // of the tool's memory
}

type said struct {
	text string
	at   time.Time
}

var (
	errOver  = errors.New("the run is over")
	errEarly = errors.New("the run was over before the time of the fault")
)

// start starts the tool on the run's directories.
func (r *run) start(program, kernel string) error {
	args := []string{
		"vmtest", kernel, "--plan", "testdata/faults.yaml", "--blocks", fmt.Sprint(r.blocks), "--out", r.out,
		"--accel", "tcg", "--clock", "wall", "--qemu", wrapper,
	}
	if r.cold() {
		args = append(args, "--cold")
	}
	if r.fault.hangs {
		args = append(args, "--boot-timeout", (shortBoot * time.Duration(r.patience)).String(),
			"--request-timeout", (shortRequest * time.Duration(r.patience)).String())
	}
	r.cmd = exec.Command(program, args...)
	r.cmd.Env = append(os.Environ(), "RINGTWIN_CACHE="+r.cache, "TMPDIR="+r.temp, "RINGTWIN_FAULTS="+r.control,
		fmt.Sprintf("RINGTWIN_PATIENCE=%d", r.patience), "RINGTWIN_APT="+r.temp) // no archive
	r.cmd.Env = append(r.cmd.Env, r.fault.env...)
	r.cmd.Stdout = &r.stdout
	stderr, err := r.cmd.StderrPipe()
	if err != nil {
		return err
	}
	// Its own group: a Ctrl-C in the campaign's terminal is not for it.
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	r.lines, r.ended = make(chan said, 1000), make(chan struct{})
	if err := r.cmd.Start(); err != nil {
		return err
	}
	var reading sync.WaitGroup
	reading.Go(func() { r.read(stderr) })
	go func() {
		reading.Wait()
		_ = r.cmd.Wait() // its exit code is looked at later
		close(r.ended)
	}()
	return nil
}

func (r *run) read(stderr io.Reader) {
	defer close(r.lines)
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		s := said{lines.Text(), time.Now()}
		r.said = append(r.said, s)
		select {
		case r.lines <- s:
		default: // nobody waits for it
		}
	}
}

// awaitMoment returns at the moment of the fault.
func (r *run) awaitMoment() error {
	nth := 0
	for s := range r.lines {
		_, phase, _ := strings.Cut(s.text, ": ")
		if !begins(phase, r.says) {
			continue
		}
		if nth++; nth == r.nth {
			time.Sleep(time.Until(s.at.Add(r.delay)))
			return nil
		}
	}
	return errEarly
}

// begins reports whether a phase of the tool is the one that is meant.
func begins(phase, says string) bool {
	if says == string(boot) || says == string(restore) {
		return phase == says
	}
	return strings.Contains(phase, says)
}

// watch follows the tool until it ends: its memory, and its first trial with a status
// other than ok.
func (r *run) watch(ctx context.Context) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		r.peek()
		select {
		case <-r.ended:
			r.peek()
			return
		case <-ctx.Done():
			_ = r.cmd.Process.Kill()
			<-r.ended
			return
		case <-ticker.C:
		}
	}
}

func (r *run) peek() {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
	for line := range strings.Lines(string(status)) {
		if _, scanErr := fmt.Sscanf(line, "VmHWM: %d kB", new(int)); err == nil && scanErr == nil {
			_, _ = fmt.Sscanf(line, "VmHWM: %d kB", &r.peakKiB)
		}
	}
	if !r.named.IsZero() {
		return
	}
	if text, err := os.ReadFile(r.results()); err == nil && bytes.Contains(text, []byte(`","status":"`)) {
		if bytes.Count(text, []byte(`","status":"`)) > bytes.Count(text, []byte(`","status":"ok"`)) {
			r.named = time.Now()
		}
	}
}

// results is the path of the run's records.
func (r *run) results() string {
	paths, err := filepath.Glob(filepath.Join(r.out, "2*", "results.jsonl"))
	if err != nil || len(paths) == 0 {
		return ""
	}
	return paths[0]
}

// until does something to a machine that may not be there yet, or not listen.
func (r *run) until(try func() error) error {
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-r.ended:
			return fmt.Errorf("%w: %w", errOver, err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// await waits for the end of the tool.
func (r *run) await(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.patience)*testutils.Limit)
	defer cancel()
	r.watch(ctx)
}

// records are those that the tool stored; an invalid line is an error.
func (r *run) records() ([]record.Trial, error) {
	path := r.results()
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return record.Read(file)
}

// completed is how many trials the tool had certainly stored by a time: it names the next
// one only then.
func (r *run) completed(by time.Time) int {
	n := 0
	for _, s := range r.said {
		if s.at.After(by) {
			break
		}
		var block, blocks, trial, trials int
		_, phase, _ := strings.Cut(s.text, ": ")
		if _, err := fmt.Sscanf(phase, "block %d of %d, trial %d of %d", &block, &blocks, &trial, &trials); err == nil {
			n = (block-1)*trials + trial - 1
		}
	}
	return n
}

// boot is how long the first machine took to boot, or 0 if none was saved.
func (r *run) boot() time.Duration {
	for i, s := range r.said {
		if strings.HasSuffix(s.text, ": boot, and save the machine") && i+1 < len(r.said) {
			return r.said[i+1].at.Sub(s.at)
		}
	}
	return 0
}

// states reports whether, between two times, a machine was not ready yet, and whether one
// was ready.
func (r *run) states(from, to time.Time) (early, ready bool) {
	wasEarly := true
	for _, s := range r.said {
		phase, ok := strings.CutPrefix(s.text, *flagKernel+": ")
		if !ok || strings.Contains(phase, "trials measured") || s.at.After(to) {
			continue
		}
		if s.at.Before(from) {
			early, ready = false, false // it was over by then
		}
		wasEarly = slices.ContainsFunc([]string{"wait", "boot", "restore"}, func(p string) bool { return strings.HasPrefix(phase, p) })
		early, ready = early || wasEarly, ready || !wasEarly
	}
	return early, ready
}
