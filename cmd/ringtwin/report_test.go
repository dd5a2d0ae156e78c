// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReportBeginsWithWhatIsWrong: real results, whole and damaged, against lists of what
// was expected: the exit code, and the first line of the summary.
func TestReportBeginsWithWhatIsWrong(t *testing.T) {
	whole, err := os.ReadFile("../../harness/report/testdata/results.jsonl") // of 6.1 and 6.1-small
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	const nothing = "# Perf buffer and BPF ring buffer"
	for name, test := range map[string]struct {
		content []byte // nil: there is no file
		args    []string
		code    int
		first   string
	}{
		"whole":                 {whole, []string{"--expect", "6.1 6.1-small"}, exitOK, nothing},
		"whole, no expectation": {whole, nil, exitOK, nothing},
		"a pattern is met":      {whole, []string{"--expect", "lts,6.1-small"}, exitOK, nothing},
		"a source is met":       {whole, []string{"--expect", "apt:6.1 6.1-small"}, exitOK, nothing},
		"another source": {whole, []string{"--expect", "mainline:6.1 6.1-small"}, exitInfra,
			"❌ **mainline:6.1: missing: expected, and there are no results of it (and 1 more problem)**"},
		"no files": {nil, []string{"--expect", "5.10 6.1"}, exitInfra,
			"❌ **5.10: missing: expected, and there are no results of it (and 1 more problem)**"},
		"one kernel is missing": {whole, []string{"--expect", "6.1 6.5 6.1-small"}, exitInfra,
			"❌ **6.5: missing: expected, and there are no results of it**"},
		"a pattern without a kernel": {whole, []string{"--expect", "6.1 6.1-small 5.10..5.15"}, exitInfra,
			"❌ **5.10..5.15: missing: expected, and there are no results of it**"},
		"half the trials": {bytes.Join(lines[:2], nil), []string{"--expect", "6.1"}, exitInfra,
			"❌ **6.1: short: 2 of 4 trials of plan quick have no record: the run ended before**"},
		"a torn last line": {whole[:len(whole)-100], []string{"--expect", "6.1 6.1-small"}, exitInfra,
			"❌ **6.1-small: short: 1 of 4 trials of plan one-page have no record: the run ended before (and 1 more problem)**"},
		"a kernel too many": {whole, []string{"--expect", "6.1"}, exitOK,
			"⚠️ **6.1-small: unexpected: was measured, and is not among the expected kernels**"},
		"an empty list": {whole, []string{"--expect", " ,"}, exitInfra,
			"❌ **missing: the list of expected kernels is empty: whatever made it found none**"},
		"an empty file": {[]byte{}, []string{"--expect", "6.1"}, exitInfra,
			"❌ **6.1: missing: expected, and there are no results of it**"},
		"a file that is none": {[]byte("no JSON\n"), nil, exitInfra, "❌ **unread: "},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			args := append([]string{"report", "--markdown", "--annotations", "on", "--summary", filepath.Join(dir, "summary"), "--outputs", filepath.Join(dir, "outputs")}, test.args...)
			if test.content != nil {
				file := filepath.Join(dir, "results.jsonl")
				if err := os.WriteFile(file, test.content, 0o644); err != nil {
					t.Fatal(err)
				}
				args = append(args, file)
			}
			var stdout, stderr bytes.Buffer
			if code := Run(t.Context(), args, &stdout, &stderr); code != test.code {
				t.Errorf("exit code %d, want %d: %s", code, test.code, stderr.String())
			}
			summary, err := os.ReadFile(filepath.Join(dir, "summary"))
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(summary), "\n")
			if first != test.first && (!strings.HasSuffix(test.first, " ") || !strings.HasPrefix(first, test.first)) {
				t.Errorf("the summary begins %q, want %q", first, test.first)
			}
			if stdout.String() != string(summary) {
				t.Error("standard output and the summary differ")
			}
			if annotated := strings.Contains(stderr.String(), "::error title="); annotated != (test.code != exitOK) {
				t.Errorf("annotations: %s", stderr.String())
			}
			outputs, err := os.ReadFile(filepath.Join(dir, "outputs"))
			if err != nil {
				t.Fatal(err)
			}
			want := map[int]string{exitOK: "outcome=passed\n", exitInfra: "outcome=incomplete\n"}[test.code]
			if !strings.HasPrefix(string(outputs), want) {
				t.Errorf("outputs %q", outputs)
			}
		})
	}
}

// TestReportOfNothing: no files, and nothing that is expected, is a mistake.
func TestReportOfNothing(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := Run(t.Context(), []string{"report"}, &stdout, &stderr); code != exitUsage || !strings.Contains(stderr.String(), "--expect") {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
	if code := Run(t.Context(), []string{"report", "none/results.jsonl"}, &stdout, &stderr); code != exitInfra || !strings.Contains(stderr.String(), "none/results.jsonl") {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
}
