// SPDX-License-Identifier: MIT

package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// OneOf rejects a word that is not valid, and suggests the nearest valid one.
func OneOf[T ~string](what string, got T, valid []T) error {
	if slices.Contains(valid, got) {
		return nil
	}
	if what != "" {
		what += " "
	}
	return fmt.Errorf("%s%q, want one of %s%s", what, string(got), vocab.Join(valid), didYouMean(got, valid))
}

// didYouMean suggests the valid word nearest to an invalid one.
func didYouMean[T ~string](got T, valid []T) string {
	best, least := T(""), len(got)/2+1
	for _, word := range valid {
		if got != "" && strings.HasPrefix(string(word), string(got)) {
			best = word // the beginning of it
			break
		}
		if d := levenshtein.ComputeDistance(string(got), string(word)); d < least {
			best, least = word, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", string(best))
}
