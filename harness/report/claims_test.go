// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ringtwin/ringtwin/harness/claims"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
)

// claimTrials are of one claim that is confirmed, on each kernel; of the others there is none.
func claimTrials(kernels ...string) []record.Trial {
	var trials []record.Trial
	for _, kernel := range kernels {
		for i, side := range []string{"A", "B", "B", "A"} {
			t := record.Trial{
				Schema: record.Schema, ID: fmt.Sprintf("%s/%d", kernel, i), Status: record.OK,
				Kernel:  record.Kernel{Want: kernel, Release: kernel},
				Machine: record.Machine{Backend: "qemu", Accel: "tcg", Clock: record.Wall, CPUs: 2},
				Cell:    record.Cell{Transport: "ringbuf", Policy: "adaptive", Events: 400, Batch: 1, RingBytes: 1 << 18},
				Trial:   record.Place{Plan: claims.Plan, Scenario: "own-size", Side: side, Position: i, Order: "ABBA", Trials: 4},
				Counts:  &record.Counts{Started: 400, Attempts: 400, Submitted: 300, Delivered: 300, Failed: map[string]uint64{"EAGAIN": 100}},
			}
			if side == "B" {
				t.Cell.Transport = "ringbuf-output"
				t.Counts = &record.Counts{Started: 400, Attempts: 400, Submitted: 400, Delivered: 400, Failed: map[string]uint64{}}
			}
			trials = append(trials, t)
		}
	}
	return trials
}

// TestClaims: each format has a table of all claims for each kernel, and no answer which side
// of a claim to use.
func TestClaims(t *testing.T) {
	const hostile = `<script>|6`
	comparisons := verdict.Compare(claimTrials("6.1", hostile))
	text := render(t, func(w io.Writer) error { return Terminal(w, &Results{Comparisons: comparisons}, false) })
	for _, want := range []string{
		"Published claims on 6.1, emulated\n", "Published claims on <script>|6, emulated\n",
		"\n 4  scx, issue 3442: confirmed\n    published: 21 % lost against none\n    ours: lost of a fixed size: 200 of 800 (25 %); of their own: 0 of 800\n    reason: only records",
		"\n 9  eAudit: not decidable here\n    published: other systems lose most events under sustained load\n    reason: execve-loop: no trial\n",
		"8 of 8 trials measured, on 2 kernels",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "6.1: ") {
		t.Errorf("an answer in\n%s", text)
	}
	for line := range strings.Lines(text) {
		if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > textWidth {
			t.Errorf("wide: %s", line)
		}
	}
	markdown := render(t, func(w io.Writer) error { return Markdown(w, &Results{Comparisons: comparisons}) })
	for _, want := range []string{
		"## Published claims on 6.1, emulated\n\n| number | who | published | ours | verdict | reason |\n",
		"\n| 4 | scx, issue 3442 | 21 % lost against none | lost of a fixed size: 200 of 800 (25 %); of their own: 0 of 800 | confirmed | only records",
		`## Published claims on &lt;script&gt;\|6, emulated`,
	} {
		if !strings.Contains(markdown, want) {
			t.Errorf("no %q in\n%s", want, markdown)
		}
	}
	html := render(t, func(w io.Writer) error { return HTML(w, &Results{Comparisons: comparisons}) })
	for _, want := range []string{
		"<h2>Published claims on 6.1, emulated</h2>", "<td>scx, issue 3442<td>21 % lost against none<td>lost of a fixed size", "Published claims on &lt;script&gt;|6",
		`<span class="status">8 of 8 trials measured`,
	} {
		if !strings.Contains(html, want) {
			t.Errorf("no %q in the page", want)
		}
	}
	if strings.Contains(html, "<script>") {
		t.Error("markup of a kernel's name")
	}
}

// TestClaimsBesideOthers: other plans have their answer as before.
func TestClaimsBesideOthers(t *testing.T) {
	others := trials(t)
	alone := render(t, func(w io.Writer) error { return Terminal(w, &Results{Comparisons: verdict.Compare(others)}, false) })
	text := render(t, func(w io.Writer) error {
		return Terminal(w, &Results{Comparisons: verdict.Compare(append(others, claimTrials("6.1")...))}, false)
	})
	answer, _, _ := strings.Cut(alone, "\n\n")
	if !strings.Contains(text, answer) || !strings.HasPrefix(text, "Published claims on ") {
		t.Errorf("no claims, or another answer than\n%s\nin\n%s", answer, text)
	}
}
