// SPDX-License-Identifier: MIT

package ringtwin

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/ringtwin/ringtwin/internal/ci"
	"github.com/ringtwin/ringtwin/internal/markdown"
	"github.com/ringtwin/ringtwin/internal/problem"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// Each is how one command went on each of several kernels.
type Each struct {
	What string // the command
	On   []OnKernel
}

// OnKernel is how the command went on one of them.
type OnKernel struct {
	Kernel  string // as requested
	Release string // "": it was not found out
	Code    int    // the exit code
	// Problems are what kept the command from running to its end, and warnings.
	Problems []problem.Problem
}

// ProblemOf is an error of a machine or of its kernel as a problem.
func ProblemOf(kernel string, err error) problem.Problem {
	kind := problem.Stopped
	var failure *machine.Failure
	switch {
	case errors.As(err, &failure):
		kind = problem.Kind(failure.Outcome)
	case errors.As(err, new(*vmtest.FetchError)):
		kind = "fetch-failed"
	}
	return problem.New(kind, kernel, "%v", err)
}

// all are the problems of one kernel.
func (o *OnKernel) all() []problem.Problem {
	all := o.Problems
	if o.Code != 0 && len(problem.Errors(all)) == 0 {
		all = append(all, problem.New(problem.Program, o.Kernel, "exit code %d", o.Code))
	}
	return all
}

// result is the same in a few words.
func (o *OnKernel) result() string {
	if all := problem.Errors(o.all()); len(all) > 0 {
		worst := problem.Sort(all)[0]
		worst.Kernel = ""
		return worst.String()
	}
	return "ok"
}

// Broken are the problems that are not the program's own result.
func (e *Each) Broken() []problem.Problem {
	var all []problem.Problem
	for i := range e.On {
		all = append(all, e.On[i].Problems...)
	}
	return all
}

// Problems are those of all kernels, sorted.
func (e *Each) Problems() []problem.Problem {
	var all []problem.Problem
	for i := range e.On {
		all = append(all, e.On[i].all()...)
	}
	if len(e.On) == 0 {
		all = append(all, problem.New(problem.Missing, "", "there was no kernel to run on"))
	}
	return problem.Sort(all)
}

// Code is the first exit code that is not 0.
func (e *Each) Code() int {
	code := 0
	for _, o := range e.On {
		code = cmp.Or(code, o.Code)
	}
	return code
}

// Text writes a table.
func (e *Each) Text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "kernel\trelease\tresult")
	for i := range e.On {
		o := &e.On[i]
		fmt.Fprintf(t, "%s\t%s\t%s\n", o.Kernel, cmp.Or(o.Release, "-"), o.result())
	}
	return t.Flush()
}

// Markdown writes what is wrong, and the table.
func (e *Each) Markdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString(ci.Wrong(e.Problems()))
	fmt.Fprintf(&b, "`%s`\n\n| kernel | release | result |\n| --- | --- | --- |\n", strings.ReplaceAll(markdown.Escape(e.What), "`", "'"))
	rows := &markdown.Limited{B: &b, Left: 512 << 10}
	for i := range e.On {
		o := &e.On[i]
		rows.Add(fmt.Sprintf("| %s | %s | %s |\n", markdown.Escape(o.Kernel), markdown.Escape(cmp.Or(o.Release, "-")), markdown.Escape(o.result())))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// problemsFile is the variable with the path of the file to which a program that runs
// under another command adds its problems, a JSON object a line.
const problemsFile = "RINGTWIN_PROBLEMS"

// PassOn tells the command that this program runs under, if there is one, of problems.
func PassOn(problems []problem.Problem) error {
	path := os.Getenv(problemsFile)
	if path == "" || len(problems) == 0 {
		return nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	out := json.NewEncoder(file)
	for _, p := range problems {
		err = errors.Join(err, out.Encode(p))
	}
	return errors.Join(err, file.Close())
}

// passedOn reads what was passed on.
func passedOn(path string) ([]problem.Problem, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var all []problem.Problem
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var p problem.Problem
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			return all, err
		}
		all = append(all, p)
	}
	return problem.Sort(all), nil
}
