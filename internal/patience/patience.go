// SPDX-License-Identifier: MIT

// Package patience lengthens time limits, for hosts that are slower, or busier, than
// any that they were made for.
package patience

import (
	"os"
	"strconv"
	"time"
)

// Variable is the environment's word for how many times as long limits are that no
// flag sets.
const Variable = "RINGTWIN_PATIENCE"

// most keeps the longest of all limits below a day.
const most = 200

// Of is the limit times as long as the environment says. What is no number from 1 on
// is 1: a limit that is as it always is does no harm.
func Of(limit time.Duration) time.Duration { return limit * factor(os.Getenv(Variable)) }

func factor(text string) time.Duration {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 1
	}
	return time.Duration(min(max(n, 1), most))
}
