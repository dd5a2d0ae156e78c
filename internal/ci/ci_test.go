// SPDX-License-Identifier: MIT

package ci

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/internal/problem"
)

// TestAnnotate: the worst first, errors before warnings, ten of each at most; and no text
// ends its line or begins another command.
func TestAnnotate(t *testing.T) {
	all := []problem.Problem{
		problem.New(problem.KVM, "", "is there"),
		problem.New("fetch-failed", "99.9", "100 %% of it"),
		{Kind: "splat", Kernel: "a:b,c", Text: "BUG\n::error::x\r%0A"},
	}
	var b strings.Builder
	if err := Annotate(&b, problem.Sort(all)); err != nil {
		t.Fatal(err)
	}
	want := "::error title=a%3Ab%2Cc%3A splat::BUG%0A::error::x%0D%250A\n" +
		"::error title=99.9%3A fetch-failed::100 %25 of it\n" +
		"::warning title=ringtwin%3A kvm::is there\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	all = nil
	for i := range 400 {
		all = append(all, problem.New(problem.Missing, fmt.Sprintf("6.%d", i), "nothing"))
	}
	b.Reset()
	if err := Annotate(&b, all); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\n"); n != 10 || !strings.HasSuffix(b.String(), "::391 more problems: see the summary\n") {
		t.Errorf("%d annotations:\n%s", n, b.String())
	}
}

// TestSummaryFits: a summary that is too long for GitHub is cut at the end of a line, and
// what a step wrote before counts.
func TestSummaryFits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "summary")
	line := strings.Repeat("x", 1000) + "\n"
	long := func(w io.Writer) error {
		_, err := io.WriteString(w, strings.Repeat(line, 700))
		return err
	}
	for range 3 {
		if err := AppendSummary(path, long); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 1<<20 || len(text) < 1000*1000 || strings.Count(string(text), "is left out here") != 1 {
		t.Errorf("%d bytes", len(text))
	}
	for got := range strings.Lines(string(text)) {
		if len(got) > 200 && got != line {
			t.Fatalf("a line of %d bytes", len(got))
		}
	}
	failed := errors.New("as asked")
	if err := AppendSummary(path, func(io.Writer) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("%v", err)
	}
	if err := AppendSummary(filepath.Join(path, "no"), long); err == nil {
		t.Error("a file below a file could be written")
	}
}

// TestOutputs: no value can end its line.
func TestOutputs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outputs")
	o := Outputs{Report: "out/1\nsecret=x", Problems: []problem.Problem{
		{Kind: problem.Gate, Kernel: "6.1"}, {Kind: "splat", Kernel: "6.5\noutcome=passed"}, {Kind: problem.KVM, Kernel: "6.9"},
	}}
	if err := AppendOutputs(path, o); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := "outcome=failed\nfailed_kernels=6.1 6.5 outcome=passed\nreport=out/1 secret=x\n"
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestWrong: a list of any length stays below its bound, and no text has markup.
func TestWrong(t *testing.T) {
	if got := Wrong(nil); got != "" {
		t.Errorf("%q", got)
	}
	var all []problem.Problem
	for i := range 10000 {
		all = append(all, problem.New(problem.Missing, fmt.Sprintf("6.%d", i), "<script>"))
	}
	got := Wrong(all)
	if !strings.HasPrefix(got, "❌ **6.0: missing: &lt;script&gt; (and 9999 more problems)**\n\n- 6.1: missing: ") || len(got) > listBytes+500 ||
		!strings.Contains(got, "more are left out here") || strings.Contains(got, "<script>") {
		t.Errorf("%d bytes: %.300s", len(got), got)
	}
}
