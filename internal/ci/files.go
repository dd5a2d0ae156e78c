// SPDX-License-Identifier: MIT

package ci

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ringtwin/ringtwin/internal/problem"
)

// summaryBytes is what the summary of a step may have; a longer one is rejected whole:
// https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#step-isolation-and-limits
const summaryBytes = 1 << 20

const cut = "\n\n*The rest is left out here, for the size that a summary may have.*\n"

// AppendSummary appends a document to the summary of a step. What does not fit, beside
// what the step has written before, is cut off at the end of a line.
func AppendSummary(path string, write func(io.Writer) error) error {
	return appendTo(path, "summary", func(have int64) ([]byte, error) {
		var b bytes.Buffer
		if have > 0 {
			b.WriteString("\n")
		}
		if err := write(&b); err != nil {
			return nil, err
		}
		return fitted(b.Bytes(), summaryBytes-have), nil
	})
}

// fitted is the text, or as many of its lines as have room.
func fitted(text []byte, room int64) []byte {
	if int64(len(text)) <= room {
		return text
	}
	room -= int64(len(cut))
	if room <= 0 {
		return nil
	}
	whole := text[:bytes.LastIndexByte(text[:room], '\n')+1]
	if len(bytes.TrimSpace(whole)) == 0 {
		return nil
	}
	return append(bytes.Clone(whole), cut...)
}

// Outputs are what the steps after a command may want to know.
type Outputs struct {
	Problems []problem.Problem
	// Report is the directory of the run; "": there is none.
	Report string
}

// AppendOutputs appends variables, a line each, as KEY=VALUE.
func AppendOutputs(path string, o Outputs) error {
	return appendTo(path, "outputs", func(int64) ([]byte, error) {
		var b bytes.Buffer
		fmt.Fprintf(&b, "outcome=%s\nfailed_kernels=%s\n", problem.OutcomeOf(o.Problems), oneLine(strings.Join(problem.Kernels(o.Problems), " ")))
		if o.Report != "" {
			fmt.Fprintf(&b, "report=%s\n", oneLine(o.Report))
		}
		return b.Bytes(), nil
	})
}

// oneLine keeps a value from being read as another variable.
func oneLine(text string) string { return strings.NewReplacer("\n", " ", "\r", " ").Replace(text) }

// appendTo appends what make returns to a file, of which it is told the size.
func appendTo(path, what string, make func(have int64) ([]byte, error)) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", what, err)
		}
	}()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	text, err := make(info.Size())
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return err
}
