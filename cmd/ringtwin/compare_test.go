// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/harness/record"
)

// resultsFile writes trials, changed by change, and then text.
func resultsFile(t *testing.T, n int, text string, change func(*record.Trial)) string {
	t.Helper()
	var b bytes.Buffer
	for i := range n {
		trial := generatedTrial(i)
		if change != nil {
			change(trial)
		}
		if err := record.Write(&b, trial); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "results.jsonl")
	if err := os.WriteFile(path, append(b.Bytes(), text...), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// run is the command line, in this process.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = Run(t.Context(), args, &out, &err)
	return code, out.String(), err.String()
}

func TestCompare(t *testing.T) {
	virtual := func(instructions float64, version string) func(*record.Trial) {
		return func(t *record.Trial) {
			t.Machine.Clock, t.Machine.Accel, t.Machine.Version = record.Virtual, "tcg", version
			t.Cost.InstructionsPerEvent = instructions
		}
	}
	plain := resultsFile(t, 64, "", nil)
	base := resultsFile(t, 4, "", virtual(1000, "7.2"))
	more := resultsFile(t, 4, "", virtual(1010, "7.2"))
	other := resultsFile(t, 4, "", virtual(1000, "8.0"))
	madeBy := func(objects string) string {
		return resultsFile(t, 4, "", func(t *record.Trial) {
			virtual(1000, "7.2")(t)
			t.Tool = &record.Tool{Objects: objects}
		})
	}
	one, two := madeBy("1"), madeBy("2")
	emulated := resultsFile(t, 64, "", func(t *record.Trial) { t.Machine.Accel = "tcg" })
	missing := resultsFile(t, 64, "", func(t *record.Trial) {
		if t.Trial.Block == 7 {
			t.Status, t.Reason = record.Panic, "oops"
		}
	})
	cut := resultsFile(t, 64, `{"schema":"ringtwin/trial/v1","id":"x`, nil)
	mixed := resultsFile(t, 64, "{\"schema\":\"ringtwin/trial/v2\"}\n{\"Action\":\"run\"}\n", nil)
	transports := []string{"--a", "transport=perf", "--b", "transport=ringbuf"}
	for name, c := range map[string]struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		"two filters":          {append([]string{plain}, transports...), exitOK, "2 comparisons", ""},
		"two files":            {[]string{plain, emulated}, exitInfra, "0 comparisons", "accel is kvm in A and tcg in B"},
		"other twins":          {[]string{one, two}, exitInfra, "0 comparisons", "the BPF objects are 1 in A and 2 in B (--other-twins compares them)"},
		"other twins, allowed": {[]string{one, two, "--other-twins"}, exitOK, "2 comparisons", ""},
		"twins not known":      {[]string{one, base}, exitOK, "2 comparisons", ""},
		"a file and itself":    {[]string{plain, plain}, exitOK, "4 comparisons", ""},
		"one file":             {[]string{plain}, exitUsage, "", "1 files: want two"},
		"unknown key":          {[]string{plain, "--a", "transprot=perf", "--b", "transport=ringbuf"}, exitUsage, "", "nearest: transport"},
		"unknown metric":       {append([]string{plain, "--gate", "latency<=1%"}, transports...), exitUsage, "", "nearest: latency_p"},
		"empty filter":         {[]string{plain, "--a", "transport=perf", "--b", "transport=user"}, exitInfra, "0 comparisons", "no trial has transport=user"},
		"gate on loss":         {append([]string{plain, "--gate", "loss<=0"}, transports...), exitOK, "gate loss<=0: passed on 6.1", ""},
		"gate on memory":       {append([]string{plain, "--gate", "memory_bytes<=1%"}, transports...), exitFailed, "gate memory_bytes<=1%: FAILED on 6.1, full, perf/every against ringbuf/adaptive", ""},
		"gate on nothing":      {append([]string{plain, "--gate", "instructions_per_event<=1%"}, transports...), exitInfra, "", "nothing was measured"},
		"gate, emulated":       {append([]string{emulated, "--gate", "latency_p50<=50%"}, transports...), exitInfra, "times of an emulated machine do not decide", ""},
		"gate, emulated, wall": {append([]string{emulated, "--gate", "latency_p50<=50%", "--gate-wall"}, transports...), exitOK, "passed", ""},
		"same instructions":    {[]string{base, base, "--gate", "instructions_per_event<=0.5%"}, exitOK, "passed", ""},
		"1 % instructions":     {[]string{base, more, "--gate", "instructions_per_event<=0.5%"}, exitFailed, "perf/every, storm of 64 bytes: A 1000.0 in A, B 1010.0 in B, that is +1 %", ""},
		"another emulator":     {[]string{base, other}, exitInfra, "", "version is 7.2 in A and 8.0 in B"},
		"not all measured":     {append([]string{missing}, transports...), exitInfra, "4 trials of A not measured", "8 trials were not measured"},
		"gate fails, and more": {append([]string{cut, "--gate", "memory_bytes<=1%"}, transports...), exitFailed, "FAILED", "line 65"},
		"cut off":              {append([]string{cut}, transports...), exitInfra, "2 comparisons", "results.jsonl: line 65: the file ends in the middle of a record"},
		"other schemas":        {append([]string{mixed}, transports...), exitInfra, "2 comparisons", `line 65: schema "ringtwin/trial/v2"`},
		"twice":                {append([]string{plain, mixed}, transports...), exitInfra, "2 comparisons", "64 trials are in another file too"},
		"markdown":             {append([]string{plain, "--markdown"}, transports...), exitOK, "# A and B", ""},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := run(t, append([]string{"compare"}, c.args...)...)
			if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
				t.Errorf("exit code %d, want %d, with %q and %q\n%s%s", code, c.code, c.stdout, c.stderr, stdout, stderr)
			}
		})
	}
	_, stdout, _ := run(t, append([]string{"compare", plain, "--json", "--gate", "loss<=0"}, transports...)...)
	var got struct {
		Comparisons []struct {
			Rows []struct {
				Metric  string
				Ratio   *float64
				Verdict string
			}
		}
		Gates []struct{ Failed bool }
	}
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || len(got.Comparisons) != 2 || len(got.Comparisons[0].Rows) < 5 || len(got.Gates) != 2 {
		t.Errorf("%v: %+v", err, got)
	}
}

// TestReport: the page is written too, and a record in two files is used once.
func TestReport(t *testing.T) {
	plain := resultsFile(t, 64, "", func(t *record.Trial) { t.Trial.Trials = 64 })
	page := filepath.Join(t.TempDir(), "report.html")
	code, stdout, stderr := run(t, "report", plain, "--html", page)
	if text, err := os.ReadFile(page); code != exitOK || err != nil || !strings.Contains(string(text), "64 of 64 trials measured") {
		t.Errorf("exit code %d, %v\n%s%s", code, err, stdout, stderr)
	}
	again := resultsFile(t, 64, "", nil)
	code, stdout, stderr = run(t, "report", plain, again)
	if code != exitInfra || !strings.Contains(stdout, "64 of 64") || !strings.Contains(stderr, "64 trials are in another file too") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if code, _, stderr = run(t, "report", plain, "--html", filepath.Join(page, "none")); code != exitInfra || !strings.Contains(stderr, "write report") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
