// SPDX-License-Identifier: MIT

package size

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/internal/golden"
)

// TestText: the formulas, with and without a proof, for what decides each size.
func TestText(t *testing.T) {
	var b strings.Builder
	for i, l := range []Load{
		{RateHz: 50_000, Burst: 20_000, Stall: 50 * time.Millisecond, EventBytes: 120, CPUs: 8},
		{RateHz: 50_000, Stall: time.Second, EventBytes: 120, CPUs: 1},
		{Burst: 1, EventBytes: 4064, CPUs: 1},
	} {
		a, err := For(l)
		if err != nil {
			t.Fatal(err)
		}
		a.Sizes = slices.DeleteFunc(a.Sizes, func(s Size) bool { return s.Transport != vocab.Perf && s.Transport != vocab.Ringbuf })
		if i == 0 {
			for j, lost := range []int{7080, 6117} {
				s := &a.Sizes[j]
				cells := s.Cells(vocab.AttachTracepoint, 2)
				s.Judge(cells, []*record.Counts{counted(&cells[0], 0), counted(&cells[1], lost)})
			}
		}
		if err := a.Write(&b, false); err != nil {
			t.Fatal(err)
		}
		b.WriteString("\n")
	}
	golden.Check(t, "testdata/answer.txt", b.String())
}

// TestJSON: what is written is read as the same answer.
func TestJSON(t *testing.T) {
	a, err := For(Load{Burst: 20_000, EventBytes: 120, CPUs: 8})
	if err != nil {
		t.Fatal(err)
	}
	a.Sizes[0].Proof = &Proof{Outcome: Impossible, Reason: "because"}
	var b strings.Builder
	if err := a.Write(&b, true); err != nil {
		t.Fatal(err)
	}
	var got Answer
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, &got, cmpopts.IgnoreUnexported(Size{})); diff != "" {
		t.Error(diff)
	}
}
