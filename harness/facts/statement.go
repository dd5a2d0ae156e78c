// SPDX-License-Identifier: MIT

package facts

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Statement is one sentence about the kernel, and the experiment that decides it.
type Statement struct {
	ID     string  `json:"id"`    // kebab-case
	Group  string  `json:"group"` // one of [Groups]
	Text   string  `json:"text"`
	Source string  `json:"source"`          // a file of the kernel at a version with the function, or a commit
	Since  Version `json:"since,omitempty"` // the first kernel that must have the feature; 0: every one

	run func(*T)
	// next is the second half of an experiment that takes two boots, after the
	// machine has been rebooted; nil: it takes one.
	next func(*T)
}

// TakesTwoBoots reports whether the experiment has a second half.
func (s Statement) TakesTwoBoots() bool { return s.next != nil }

// Statements lists all of them, group by group.
func Statements() []Statement {
	var all []Statement
	for _, group := range groups {
		for _, s := range group.statements() {
			s.Group = group.name
			all = append(all, s)
		}
	}
	return all
}

// groups has the groups in the order in which they are shown.
var groups = []struct {
	name       string
	statements func() []Statement
}{
	{"capacity", capacity},
	{"wakeup", wakeup},
	{"order", order},
	{"readers", readers},
	{"loss", loss},
	{"errno", errnos},
	{"cpus", cpus},
	{"memory", memory},
	{"permissions", permissions},
	{"features", kernelFeatures},
	{"context", contexts},
	{"lifetimes", lifetimes},
}

// Groups lists the names of the groups.
func Groups() []string {
	var names []string
	for _, group := range groups {
		names = append(names, group.name)
	}
	return names
}

// ErrUnknown is returned for a word that is neither a statement nor a group.
var ErrUnknown = errors.New("no such statement or group")

// Select returns the named statements, and those of the named groups, in the order of
// [Statements]. Without words it returns all.
func Select(words []string) ([]Statement, error) {
	all := Statements()
	if len(words) == 0 {
		return all, nil
	}
	for _, word := range words {
		if !slices.ContainsFunc(all, func(s Statement) bool { return s.ID == word || s.Group == word }) {
			return nil, fmt.Errorf("%q: %w; ringtwin facts --list has the statements, groups are %s", word, ErrUnknown, strings.Join(Groups(), ", "))
		}
	}
	return slices.DeleteFunc(all, func(s Statement) bool {
		return !slices.Contains(words, s.ID) && !slices.Contains(words, s.Group)
	}), nil
}

// IDs are the statements' ids.
func IDs(statements []Statement) []string {
	ids := make([]string, len(statements))
	for i, s := range statements {
		ids[i] = s.ID
	}
	return ids
}

// elixir is the source of a statement: a function in a file of a release.
func elixir(version, file, function string) string {
	return fmt.Sprintf("%s in https://elixir.bootlin.com/linux/v%s/source/%s", function, version, file)
}

// commit is the source of a statement: a change.
func commit(hash, title string) string {
	return fmt.Sprintf("%s: https://git.kernel.org/torvalds/c/%s", title, hash)
}
