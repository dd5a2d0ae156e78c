// SPDX-License-Identifier: MIT

package trace

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Attachment is one way to attach a program to execve.
type Attachment struct {
	Attach string `json:"attach"`
	// Unsupported is why the kernel does not have it; the rest is empty then.
	Unsupported string `json:"unsupported,omitempty"`
	// Calls are those that load the program and attach it.
	Calls []Call `json:"calls,omitempty"`
	Cost  *Cost  `json:"cost,omitempty"`
}

// Attaching picks the calls that load the program, find the hook and attach to it,
// out of all that a tracer makes.
func Attaching(calls []Call) []Call {
	var some []Call
	for _, c := range calls {
		switch c.What() {
		case "bpf BPF_PROG_LOAD", "bpf BPF_LINK_CREATE", "bpf BPF_RAW_TRACEPOINT_OPEN",
			"ioctl PERF_EVENT_IOC_SET_BPF", "ioctl PERF_EVENT_IOC_ENABLE", "openat", "fsopen", "fsmount":
		case "perf_event_open":
			if strings.HasPrefix(c.Result, "<ring of CPU") {
				continue
			}
		default:
			continue
		}
		if !c.Probe {
			some = append(some, c)
		}
	}
	return some
}

// AttachmentsText writes the calls and the cost of each way to attach, from each kernel's
// first trace.
func AttachmentsText(w io.Writer, kernels []Kernel) error {
	var b strings.Builder
	for i := range kernels {
		if i > 0 {
			b.WriteString("\n")
		}
		c := &kernels[i].Traces[0]
		fmt.Fprintf(&b, "%s\n", c.attachmentsTitle())
		for _, a := range c.Attachments {
			fmt.Fprintf(&b, "\n%s\n", a.Attach)
			if a.Unsupported != "" {
				fmt.Fprintf(&b, "    not supported: %s\n", a.Unsupported)
			}
			for _, call := range a.Calls {
				fmt.Fprintf(&b, "    %s\n", call.String())
			}
		}
		if !c.hasCosts() {
			fmt.Fprintf(&b, "\n%s\n", noCosts)
			continue
		}
		b.WriteString("\n")
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, row := range c.costRows() {
			fmt.Fprintln(t, strings.Join(row, "\t"))
		}
		_ = t.Flush() // a Builder does not fail
		fmt.Fprintf(&b, "\n%s\n", c.costNote())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// AttachmentsMarkdown writes the same.
func AttachmentsMarkdown(w io.Writer, kernels []Kernel) error {
	var b strings.Builder
	for i := range kernels {
		if i > 0 {
			b.WriteString("\n")
		}
		c := &kernels[i].Traces[0]
		fmt.Fprintf(&b, "## %s\n\n| attached by | calls |\n| --- | --- |\n", c.attachmentsTitle())
		for _, a := range c.Attachments {
			cells := []string{}
			if a.Unsupported != "" {
				cells = append(cells, "not supported: "+code(a.Unsupported))
			}
			for _, call := range a.Calls {
				cells = append(cells, code(call.String()))
			}
			fmt.Fprintf(&b, "| %s | %s |\n", a.Attach, strings.Join(cells, "<br>"))
		}
		if !c.hasCosts() {
			fmt.Fprintf(&b, "\n%s\n", noCosts)
			continue
		}
		b.WriteString("\n")
		for n, row := range c.costRows() {
			fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
			if n == 0 {
				b.WriteString("|" + strings.Repeat(" --- |", len(row)) + "\n")
			}
		}
		fmt.Fprintf(&b, "\n%s\n", c.costNote())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (c *Trace) attachmentsTitle() string {
	return fmt.Sprintf("Linux %s, %s: ways to attach a program to execve", c.Release, count(c.CPUs, "CPU"))
}

// noCosts explains why an emulated machine has no costs.
const noCosts = "What each costs was not measured: emulated, that is for --clock virtual."

// hasCosts reports whether any was measured.
func (c *Trace) hasCosts() bool {
	return slices.ContainsFunc(c.Attachments, func(a Attachment) bool { return a.Cost != nil })
}

// costRows starts with the header.
func (c *Trace) costRows() [][]string {
	unit := "ns"
	if c.Virtual {
		unit = "instructions"
	}
	rows := [][]string{{"attached by", unit + ", empty program", unit + ", tracer above that"}}
	for _, a := range c.Attachments {
		if a.Cost != nil {
			rows = append(rows, []string{
				a.Attach, fmt.Sprintf("%.0f", a.Cost.EmptyNS-a.Cost.NoneNS), fmt.Sprintf("%.0f", a.Cost.TracerNS-a.Cost.EmptyNS),
			})
		}
	}
	return rows
}

// costNote explains the figures.
func (c *Trace) costNote() string {
	note := "What an execve takes longer, one that is refused for its empty path, as the least of several rounds"
	if c.Virtual {
		return note + ", counted in virtual time."
	}
	return note + "."
}
