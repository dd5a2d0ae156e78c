// SPDX-License-Identifier: MIT

package console

import (
	"bytes"
	"time"
)

// Stamps returns the number, from 1, of the last line of a log with each time stamp.
func Stamps(log []byte) map[time.Duration]int {
	stamps := map[time.Duration]int{}
	n := 0
	for line := range bytes.Lines(log) {
		n++
		if _, at := prefix([]byte(kernelPart(clean(line)))); at != unstamped {
			stamps[at] = n
		}
	}
	return stamps
}
