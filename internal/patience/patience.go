// SPDX-License-Identifier: MIT

// Package patience extends time limits, for hosts that are slower, or busier, than the
// limits assume.
package patience

import (
	"os"
	"strconv"
	"time"
)

// Variable is the environment variable with the factor for limits that no flag sets.
const Variable = "RINGTWIN_PATIENCE"

// most keeps the longest of all limits below a day.
const most = 200

// Of multiplies the limit by the factor of the environment. A value that is not a number
// from 1 on counts as 1: the usual limit does no harm.
func Of(limit time.Duration) time.Duration { return limit * factor(os.Getenv(Variable)) }

func factor(text string) time.Duration {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 1
	}
	return time.Duration(min(max(n, 1), most))
}
