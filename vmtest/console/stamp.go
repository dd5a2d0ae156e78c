// SPDX-License-Identifier: MIT

package console

import (
	"bytes"
	"time"
)

// StampOf returns the time stamp of the line of a log that has the text, and false if there
// is none.
func StampOf(log []byte, text string) (time.Duration, bool) {
	for line := range bytes.Lines(log) {
		if !bytes.Contains(line, []byte(text)) {
			continue
		}
		if _, at := prefix([]byte(kernelPart(clean(line)))); at != unstamped {
			return at, true
		}
	}
	return 0, false
}
