// SPDX-License-Identifier: MIT

package results

import (
	"fmt"
	"strings"

	"github.com/ringtwin/ringtwin/harness/size"
)

// Sizes are the sizes of rings for a load, of which the words that are empty come from
// result files, if there are any.
func Sizes(words size.Words, files []string) (*size.Answer, error) {
	if len(files) > 0 {
		trials, wrong := Read(files)
		if len(wrong) > 0 {
			return nil, fmt.Errorf("--from: %s", wrong[0].Text)
		}
		measured, err := size.Measured(trials)
		if err != nil {
			line, _, _ := strings.Cut(err.Error(), "\n")
			return nil, fmt.Errorf("--from: %s", line)
		}
		words.Measured = measured
	}
	load, err := words.Load()
	if err != nil {
		return nil, err
	}
	return size.For(load)
}
