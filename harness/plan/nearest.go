// SPDX-License-Identifier: MIT

package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// OneOf refuses what is not among the valid, and names what may have been meant.
func OneOf(what, got string, valid []string) error {
	if slices.Contains(valid, got) {
		return nil
	}
	if what != "" {
		what += " "
	}
	return fmt.Errorf("%s%q, want one of %s%s", what, got, strings.Join(valid, ", "), didYouMean(got, valid))
}

// didYouMean names the valid word nearest to one that is not.
func didYouMean(got string, valid []string) string {
	best, least := "", len(got)/2+1
	for _, word := range valid {
		if got != "" && strings.HasPrefix(word, got) {
			best = word // the beginning of it
			break
		}
		if d := levenshtein.ComputeDistance(got, word); d < least {
			best, least = word, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}
