// SPDX-License-Identifier: MIT

package suite

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/ringtwin/ringtwin/internal/ci"
	"github.com/ringtwin/ringtwin/internal/junit"
	"github.com/ringtwin/ringtwin/internal/markdown"
	"github.com/ringtwin/ringtwin/internal/problem"
)

// tableBytes bounds each table of a summary.
const tableBytes = 256 << 10

// Markdown writes what is wrong, what differs, and the table of packages.
func (r *Results) Markdown(w io.Writer, problems []problem.Problem) error {
	var b strings.Builder
	b.WriteString(ci.Wrong(problems))
	differ, _ := r.Compare()
	if len(differ) > 0 {
		b.WriteString("### Differs between kernels\n\n")
		rows := r.head(&b, "test")
		for i := range differ {
			cells := []string{differ[i].Name()}
			for k := range r.Work.Kernels {
				cells = append(cells, differ[i].Cell(k))
			}
			rows.Add(line(cells))
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "`%s`\n\n", strings.ReplaceAll(markdown.Escape(r.Work.Command), "`", "'"))
	rows := r.head(&b, "package")
	for _, p := range r.Work.Packages {
		rows.Add(line(append([]string{p.Path}, r.cells(&p)...)))
	}
	fmt.Fprintf(&b, "\n%s\n", markdown.Escape(r.Counts()))
	_, err := io.WriteString(w, b.String())
	return err
}

// head writes the head of a table by kernel.
func (r *Results) head(b *strings.Builder, what string) *markdown.Limited {
	b.WriteString(line(append([]string{what}, r.Work.Kernels...)))
	b.WriteString("|" + strings.Repeat(" --- |", 1+len(r.Work.Kernels)) + "\n")
	return &markdown.Limited{B: b, Left: tableBytes}
}

func line(cells []string) string {
	var b strings.Builder
	b.WriteByte('|')
	for _, c := range cells {
		b.WriteString(" " + markdown.Escape(c) + " |")
	}
	return b.String() + "\n"
}

// JUnit writes a suite for each kernel and package, and a case for each test. A package
// that ended without a test to blame has a case of its own, without a name of a test.
func (r *Results) JUnit(w io.Writer) error {
	suites := &junit.Suites{}
	for _, key := range r.Work.All() {
		suite := suites.Suite(key.Kernel + ": " + key.Package)
		u := r.Units[key]
		if u == nil {
			suite.Add(junit.Case{Name: key.Package, ClassName: key.Kernel, Seconds: "0", Error: junit.NewReason("missing", "it was not run")})
			continue
		}
		class := key.Kernel + "." + key.Package
		blamed := false
		for _, t := range u.Tests() {
			c := junit.Case{Name: t.Name, ClassName: class, Seconds: fmt.Sprintf("%.3f", t.Seconds)}
			switch t.State {
			case Failed:
				blamed = true
				c.Failure = junit.NewReason(string(Failed), strings.Join(lastLines(t.Output), "\n"))
			case Splat, Lost:
				blamed = true
				c.Error = junit.NewReason(string(u.reason()), u.ending())
			case Skipped:
				c.Skipped = junit.NewReason(string(Skipped), strings.Join(lastLines(t.Output), "\n"))
			}
			suite.Add(c)
		}
		if state := u.State(); state != Passed && !blamed {
			c := junit.Case{Name: key.Package, ClassName: class, Seconds: fmt.Sprintf("%.3f", u.Seconds)}
			if state == Failed {
				c.Failure = junit.NewReason(string(Failed), u.ending())
			} else {
				c.Error = junit.NewReason(string(u.reason()), u.ending())
			}
			suite.Add(c)
		}
	}
	for _, p := range r.Problems {
		suites.Suite("ringtwin").Add(junit.Case{Name: p.Text, ClassName: p.Kernel, Seconds: "0", Error: junit.NewReason(string(p.Kind), p.String())})
	}
	return suites.Write(w)
}

// ending is what is known of the end of a unit.
func (u *Unit) ending() string {
	var lines []string
	for _, p := range u.problems() {
		lines = append(lines, p.String())
	}
	if u.Unbuilt != "" {
		return strings.Join(append(lines, u.Unbuilt), "\n")
	}
	return strings.Join(append(lines, lastLines(u.Output())...), "\n")
}

// JSON writes the events of go test, with the kernel of each.
func (r *Results) JSON(w io.Writer) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	for _, key := range r.Work.All() {
		u := r.Units[key]
		if u == nil {
			continue
		}
		for _, e := range u.Events {
			e.Kernel = key.Kernel
			if err := out.Encode(e); err != nil {
				return err
			}
		}
	}
	return nil
}
