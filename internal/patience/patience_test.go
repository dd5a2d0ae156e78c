// SPDX-License-Identifier: MIT

package patience

import (
	"testing"
	"time"
)

func TestOf(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": time.Minute, "1": time.Minute, "3": 3 * time.Minute, "0": time.Minute, "-5": time.Minute,
		"1000000": most * time.Minute, "much": time.Minute, "2.5": time.Minute,
	} {
		t.Setenv(Variable, text)
		if got := Of(time.Minute); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
