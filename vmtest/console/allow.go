// SPDX-License-Identifier: MIT

package console

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// Allowed is a list of known splats that are ignored.
type Allowed []*regexp.Regexp

// ReadAllowed reads an allow list: a line each with a regular expression, which
// is matched with the head line of an event, and after " # " the reason for it:
//
//	WARNING: .* at drivers/foo\.c # https://link/to/the/report
//
// Empty lines, and lines that begin with #, are left out. A line without a
// reason is an error: nobody would dare to remove it.
func ReadAllowed(r io.Reader) (Allowed, error) {
	var allowed Allowed
	scanner := bufio.NewScanner(r)
	for n := 1; scanner.Scan(); n++ {
		line := strings.TrimRight(scanner.Text(), " \t\r")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		text, reason, _ := strings.Cut(line, " # ")
		if strings.TrimSpace(text) == "" || strings.TrimSpace(reason) == "" {
			return nil, fmt.Errorf("line %d: %q has no reason: want PATTERN # reason", n, text)
		}
		pattern, err := regexp.Compile(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if pattern.MatchString("") {
			return nil, fmt.Errorf("line %d: %q lets everything pass", n, text)
		}
		allowed = append(allowed, pattern)
	}
	if err := scanner.Err(); err != nil {
		return nil, errors.Join(errors.New("read allow list"), err)
	}
	return allowed, nil
}

// Filter returns the events that are not allowed. A panic is never allowed.
func (a Allowed) Filter(events []Event) []Event {
	var rest []Event
	for _, event := range events {
		if event.Kind == Panic || !a.matches(event.Line) {
			rest = append(rest, event)
		}
	}
	return rest
}

func (a Allowed) matches(line string) bool {
	for _, pattern := range a {
		if pattern.MatchString(line) {
			return true
		}
	}
	return false
}

// ReadAllowedFile reads an allow list from a file; "" is an empty list.
func ReadAllowedFile(path string) (Allowed, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	allowed, err := ReadAllowed(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return allowed, nil
}
