// SPDX-License-Identifier: MIT

package elffiles

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNotExecutable is returned for a file that the kernel would not start.
var ErrNotExecutable = errors.New("not a program (neither ELF nor a script that begins with #!)")

// ArchError is returned for a program of another architecture than the machine.
type ArchError struct {
	Program string
	Is      string // its architecture, by Go's name if there is one
	Machine string
}

func (e *ArchError) Error() string {
	return fmt.Sprintf("%s is a program for %s, the machine is %s", e.Program, e.Is, e.Machine)
}

// MissingError names everything that a program needs and that was not found.
type MissingError struct {
	Program string
	Files   []Missing
}

// Missing is one of them.
type Missing struct {
	Name string // of a library, or the path of a loader or interpreter
	By   string // the path of the file that needs it
}

func (e *MissingError) Error() string {
	var words []string
	for _, m := range e.Files {
		word := m.Name
		if m.By != e.Program {
			word += " (needed by " + m.By + ")"
		}
		words = append(words, word)
	}
	return fmt.Sprintf("%s needs what is not installed: %s", e.Program, strings.Join(words, ", "))
}
