// SPDX-License-Identifier: MIT

package trace

import (
	"bytes"
	"encoding/json"
	"io"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/internal/golden"
)

// chapters are those of a kernel with these numbers of CPUs.
func chapters(t *testing.T, cpus ...int) Kernel {
	k := Kernel{Name: "6.1"}
	for _, n := range cpus {
		k.Traces = append(k.Traces, Trace{Release: "6.1.0-56-cloud-amd64", CPUs: n, Attach: "tracepoint", Sequences: []Sequence{
			{"perf", chapter(t, true, n).sequence()},
			{"ringbuf", chapter(t, false, n).sequence()},
		}})
	}
	k.Growth = Grow(k.Traces)
	return k
}

// TestGolden compares what is shown with testdata; -update rewrites it.
func TestGolden(t *testing.T) {
	grown := []Kernel{chapters(t, 2, 1, 4)}
	attached := []Kernel{{Name: "6.1", Traces: []Trace{{Release: "6.1.0-56-cloud-amd64", CPUs: 1, Virtual: true, Attachments: []Attachment{
		{Attach: "kprobe-ioctl", Calls: Attaching(chapter(t, true, 1).sequence()), Cost: &Cost{1000, 1342.4, 2253.4}},
		{Attach: "fentry", Unsupported: "no | BTF"},
	}}}}}
	one := []Kernel{chapters(t, 1), chapters(t, 1)}
	for name, write := range map[string]func(io.Writer) error{
		"text.txt":     func(w io.Writer) error { return Text(w, grown, false) },
		"probes.txt":   func(w io.Writer) error { return Text(w, one, true) },
		"markdown.md":  func(w io.Writer) error { return Markdown(w, grown, false) },
		"attach.txt":   func(w io.Writer) error { return AttachmentsText(w, attached) },
		"attach.md":    func(w io.Writer) error { return AttachmentsMarkdown(w, attached) },
		"kernels.json": func(w io.Writer) error { return indented(w, one[:1]) },
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			if err := write(&got); err != nil {
				t.Fatal(err)
			}
			golden.Check(t, filepath.Join("testdata", name), got.String())
		})
	}
}

func indented(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.SetIndent("", " ")
	return out.Encode(v)
}

// TestLaw: a law is a straight line through all counts, or there is none.
func TestLaw(t *testing.T) {
	for _, test := range []struct {
		cpus, counts []int
		want         string
	}{
		{[]int{1, 2, 4, 8}, []int{5, 6, 8, 12}, "4 + N"},
		{[]int{1, 2, 4}, []int{33, 37, 45}, "29 + 4 N"},
		{[]int{2, 4}, []int{2, 4}, "N"},
		{[]int{2, 4}, []int{6, 12}, "3 N"},
		{[]int{1, 2, 4}, []int{7, 7, 7}, "7"},
		{[]int{1, 2, 4}, []int{0, 0, 0}, "0"},
		{[]int{1, 2, 4}, []int{1, 2, 5}, ""},
		{[]int{1, 2, 4}, []int{1, 3, 4}, ""},
		{[]int{1, 3}, []int{1, 2}, ""},
		{[]int{2}, []int{9}, ""},
	} {
		if got := law(test.cpus, test.counts); got != test.want {
			t.Errorf("%v at %v: %q, want %q", test.counts, test.cpus, got, test.want)
		}
	}
}

// TestAlign: equal calls stand side by side, and no call is lost or moved.
func TestAlign(t *testing.T) {
	calls := func(names ...string) (all []Call) {
		for _, name := range names {
			all = append(all, Call{Name: name, Result: "<" + name + ">"})
		}
		return all
	}
	a, b := calls("btf", "map", "scratch", "prog", "open", "wait"), calls("btf", "map", "prog", "mmap", "wait", "more")
	var got [][2]string
	for _, row := range align(a, b) {
		var names [2]string
		for i, c := range row {
			if c != nil {
				names[i] = c.Name
			}
		}
		got = append(got, names)
	}
	want := [][2]string{{"btf", "btf"}, {"map", "map"}, {"scratch", ""}, {"prog", "prog"}, {"open", ""}, {"", "mmap"}, {"wait", "wait"}, {"", "more"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if rows := align(a, nil); len(rows) != len(a) || rows[0][1] != nil {
		t.Errorf("one side alone: %v", rows)
	}
}
