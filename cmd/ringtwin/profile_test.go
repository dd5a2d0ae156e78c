// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	pprof "github.com/google/pprof/profile"
	"github.com/ringtwin/ringtwin/harness/profile"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/report"
	"github.com/ringtwin/ringtwin/internal/testkernels"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

// vmtestIn measures into a directory, and returns the trials. All are as planned but for
// those of transports that the kernel lacks.
func vmtestIn(t *testing.T, dir string, args ...string) []record.Trial {
	t.Helper()
	if !slices.Contains(args, "--clock") {
		args = append([]string{"--clock", "virtual"}, args...)
	}
	args = append([]string{"vmtest", "--out", dir}, args...)
	out, err := exec.Command(program, args...).CombinedOutput()
	text, readErr := os.ReadFile(filepath.Join(dir, "latest", "results.jsonl"))
	if readErr != nil {
		t.Fatalf("%q: %v\n%s", args, errors.Join(err, readErr), out)
	}
	trials, err := record.Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range trials {
		if r.Status != record.OK && r.Status != record.Unsupported {
			t.Errorf("%s: %s: %s", r.ID, r.Status, r.Reason)
		}
	}
	return trials
}

// withoutProfiles are the trials as they would be without a profiler.
func withoutProfiles(trials []record.Trial) []record.Trial {
	var all []record.Trial
	for _, r := range trials {
		r.Ledger = slices.DeleteFunc(slices.Clone(r.Ledger), func(line record.Invariant) bool {
			return strings.HasSuffix(line.Invariant, "by function = by the clock")
		})
		r.Profile, r.Trial.Started, r.Trial.Run, r.Machine.Command = nil, "", "", ""
		all = append(all, r)
	}
	return all
}

// TestProfile: a profile changes no record, its functions add up to the figures, and more
// work of the program is found in the program alone.
func TestProfile(t *testing.T) {
	t.Parallel()
	testutils.QEMU(t)
	kernel, temp := testkernels.Name(t, testkernels.Usual), t.TempDir()
	plain := vmtestIn(t, filepath.Join(temp, "plain"), kernel, "--plan", "gate")
	dir := filepath.Join(temp, "profiled")
	profiled := vmtestIn(t, dir, kernel, "--plan", "gate", "--profile")
	if diff := cmp.Diff(withoutProfiles(plain), withoutProfiles(profiled)); diff != "" {
		t.Errorf("records (-without +with a profile):\n%s", diff)
	}
	for _, r := range profiled {
		if r.Profile == nil {
			t.Fatalf("%s has no profile", r.ID)
		}
		for _, part := range profile.Parts() {
			want, got := part.Figure(r.Cost), profile.Total(r.Profile, part)[record.Instructions]
			if math.Abs(got-want) > 1e-9*want {
				t.Errorf("%s, %s: functions add up to %v, the record has %v", r.ID, part.Name, got, want)
			}
		}
	}
	again := vmtestIn(t, filepath.Join(temp, "again"), kernel, "--plan", "gate", "--profile")
	for i := range again {
		if diff := cmp.Diff(profiled[i].Profile, again[i].Profile); diff != "" {
			t.Errorf("%s is another profile when repeated:\n%s", again[i].ID, diff)
		}
	}

	cached := vmtestIn(t, filepath.Join(temp, "cached"), kernel, "--plan", "gate", "--profile", "--caches", "default")
	if diff := cmp.Diff(withoutProfiles(plain), withoutProfiles(cached)); diff != "" {
		t.Errorf("records (-without +with a model of caches):\n%s", diff)
	}
	for i, r := range cached {
		if r.Profile.Caches == "" || profile.Total(r.Profile, profile.Parts()[1])[record.L1DMisses] == 0 {
			t.Errorf("%s: the reader misses nothing of the caches %q", r.ID, r.Profile.Caches)
		}
		if profiled[i].Profile.Caches != "" {
			t.Errorf("%s: caches without a model", profiled[i].ID)
		}
	}

	more := vmtestIn(t, filepath.Join(temp, "more"), kernel, "--plan", "gate", "--profile", "--set", "fault=work=25")
	for i, side := range profile.Sides(more) {
		before := profile.Sides(profiled)[i]
		program := profile.Parts()[0]
		changes := profile.Compare(before.Profile, side.Profile, program)
		if name := changes[0].Function; !strings.HasPrefix(name, "bpf_prog_") || changes[0].Instructions() < 25 {
			t.Errorf("%s: work is %+.1f in %s", side.Name(), changes[0].Instructions(), name)
		}
		for _, c := range changes[1:] {
			if math.Abs(c.Instructions()) > 0.5 { // an interrupt may fall into another stretch
				t.Errorf("%s: %+.1f in %s, which does no more work", side.Name(), c.Instructions(), c.Function)
			}
		}
	}

	t.Run("files", func(t *testing.T) { profileFiles(t, filepath.Join(dir, "latest", "profiles", kernel)) })
	t.Run("explain", func(t *testing.T) {
		explain := func(dir string, args ...string) (string, error) {
			args = append([]string{"explain", "perf@" + kernel, "ringbuf@" + kernel, "--results", filepath.Join(dir, "latest")}, args...)
			out, err := exec.Command(program, args...).CombinedOutput()
			return string(out), err
		}
		out, err := explain(dir)
		if err != nil || !strings.Contains(out, "__bpf_ringbuf_reserve") || !strings.Contains(out, "perf_output_begin") {
			t.Errorf("%v\n%s", err, out)
		}
		if out, err := explain(dir, "--model", "width=1"); err == nil || !strings.Contains(out, "measure both with --caches") {
			t.Errorf("a model without caches: %v\n%s", err, out)
		}
		withCaches := filepath.Join(temp, "cached")
		if out, err := explain(withCaches, "--model", "width=1"); err != nil || !strings.Contains(out, "width=1,") || !strings.Contains(out, "cycles (model)") {
			t.Errorf("a model: %v\n%s", err, out)
		}
		if out, err := explain(withCaches, "--model", "width=1", "--json"); err == nil || !strings.Contains(out, "--json does not have") {
			t.Errorf("a model in JSON: %v\n%s", err, out)
		}
	})
}

// profileFiles: other tools read the files.
func profileFiles(t *testing.T, dir string) {
	for _, name := range []string{"perf_timer", "ringbuf_timer"} {
		text, err := os.ReadFile(filepath.Join(dir, name+".pb.gz"))
		if err != nil {
			t.Fatal(err)
		}
		p, err := pprof.ParseData(text)
		if err != nil || len(p.Sample) == 0 {
			t.Errorf("%s: %d samples, %v", name, len(p.Sample), err)
		}
		if folded, err := os.ReadFile(filepath.Join(dir, name+".folded")); err != nil || !bytes.Contains(folded, []byte("program;entry_SYSCALL_64")) {
			t.Errorf("%s: %v\n%.500s", name, err, folded)
		}
	}
	cmd := exec.Command("go", "tool", "pprof", "-top", "-divide_by=1e6", "-diff_base", filepath.Join(dir, "perf_timer.pb.gz"), filepath.Join(dir, "ringbuf_timer.pb.gz"))
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("__bpf_ringbuf_reserve")) {
		t.Errorf("go tool pprof: %v\n%s", err, out)
	}
}

// published reads lines of a file that make results wrote.
func published[T any](t *testing.T, name string) []T {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(publishedDir, name))
	if err != nil {
		t.Fatal(err)
	}
	all, err := report.ReadLines[T](text)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestFunctions: where the instructions go is measured again, of every transport, on the
// kernel that most tests have, if it is still the one that is published.
func TestFunctions(t *testing.T) {
	t.Parallel()
	testutils.QEMU(t)
	then := published[report.FunctionCosts](t, "functions.jsonl")
	trials := vmtestIn(t, t.TempDir(), testkernels.Name(t, testkernels.Usual), "--plan", "costs", "--profile")
	costs, err := report.FunctionCostsOf(trials)
	if err != nil {
		t.Fatal(err)
	}
	for _, now := range costs {
		for _, was := range then {
			if was.SHA256 != now.SHA256 || was.Transport != now.Transport {
				continue
			}
			// The reader's depend on the pages that this build of it has.
			if diff := cmp.Diff(was.Program, now.Program); diff != "" {
				t.Errorf("%s on %s (-published +measured): make results\n%s", now.Transport, now.Release, diff)
			}
		}
	}
}
