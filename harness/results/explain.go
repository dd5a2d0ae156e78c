// SPDX-License-Identifier: MIT

package results

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ringtwin/ringtwin/harness/profile"
)

// ErrNoProfiles is returned where no trial has a profile.
var ErrNoProfiles = errors.New("there are no profiles: measure with vmtest --profile")

// Profiles returns the two profiles that the words name, of result files or of a file that
// a word names: [FILE:][SCENARIO:]CONFIGURATION@KERNEL.
func Profiles(files []string, a, b string) (of, with *profile.Side, err error) {
	read := map[string][]profile.Side{}
	one := func(word string) (*profile.Side, error) {
		from, name := files, word
		if i := strings.LastIndex(word, resultsSuffix); i >= 0 {
			from, name = []string{word[:i+len(resultsSuffix)-1]}, word[i+len(resultsSuffix):]
		}
		key := strings.Join(from, "\n")
		if read[key] == nil {
			trials, wrong := Read(from)
			if read[key] = profile.Sides(trials); len(read[key]) == 0 && len(wrong) > 0 {
				return nil, errors.New(wrong[0].String())
			}
		}
		return find(read[key], name)
	}
	if of, err = one(a); err != nil {
		return nil, nil, err
	}
	with, err = one(b)
	return of, with, err
}

// resultsSuffix ends the name of a file before another word.
const resultsSuffix = ".jsonl:"

// find returns the one side with that name.
func find(sides []profile.Side, word string) (*profile.Side, error) {
	if len(sides) == 0 {
		return nil, ErrNoProfiles
	}
	scenario, name, found := strings.Cut(word, ":")
	if !found {
		scenario, name = "", word
	}
	configuration, kernel, found := strings.Cut(name, "@")
	if !found {
		return nil, fmt.Errorf("%q names no profile: want TRANSPORT@KERNEL, as in %s", word, sides[0].Name())
	}
	var matching []*profile.Side
	var names []string
	for i := range sides {
		s := &sides[i]
		full := s.Scenario + ":" + s.Name()
		names = append(names, full)
		if (scenario == "" || scenario == s.Scenario) && (kernel == s.Kernel || kernel == s.Release) &&
			(configuration == s.Cell.Configuration() || configuration == string(s.Cell.Transport)) {
			matching = append(matching, s)
		}
	}
	switch len(matching) {
	case 0:
		return nil, fmt.Errorf("there is no profile %q: want one of %s", word, strings.Join(names, ", "))
	case 1:
		return matching[0], nil
	}
	var several []string
	for _, s := range matching {
		several = append(several, s.Scenario+":"+s.Name())
	}
	return nil, fmt.Errorf("%q names several profiles: want one of %s", word, strings.Join(several, ", "))
}
