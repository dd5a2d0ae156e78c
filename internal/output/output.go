// SPDX-License-Identifier: MIT

// Package output keeps the first error of what a command writes: a command whose output is
// not there in full has not done what it should, wherever in it the error was not looked at.
package output

import "io"

// Writer writes to another. It is not safe for concurrent use.
type Writer struct {
	io.Writer
	Err error // the first
}

func (w *Writer) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if w.Err == nil {
		w.Err = err
	}
	return n, err
}
