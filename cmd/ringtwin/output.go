// SPDX-License-Identifier: MIT

package main

import "io"

// output is the standard output. It keeps the first error of a write: a command
// whose output is not there in full has not done what it should, wherever in it
// the error was not looked at. It is not safe for concurrent use.
type output struct {
	io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}
