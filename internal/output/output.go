// SPDX-License-Identifier: MIT

// Package output keeps the first write error of a command: a command with incomplete
// output has failed, even if its code did not check the error.
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
