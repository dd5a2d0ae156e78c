// SPDX-License-Identifier: MIT

package elffiles

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// scriptHead is how much of a script the kernel reads: BINPRM_BUF_SIZE.
const scriptHead = 256

// maxDepth is how many scripts the kernel follows, each the interpreter of the last.
// https://elixir.bootlin.com/linux/v6.12/source/fs/exec.c#L1842
const maxDepth = 5

func isScript(head []byte) bool { return bytes.HasPrefix(head, []byte("#!")) }

// interpreterOf returns the interpreter in the first line of a script, and its one
// argument, which may have spaces, by the kernel's rules:
// https://elixir.bootlin.com/linux/v6.12/source/fs/binfmt_script.c#L34
func interpreterOf(head []byte) (path, argument string, err error) {
	line, _, ended := bytes.Cut(head[2:], []byte("\n"))
	ended = ended || len(head) < scriptHead // the end of the file ends the line
	const blank = " \t"
	text := strings.Trim(string(line), blank)
	if before, _, found := strings.Cut(text, "\x00"); found {
		text, ended = before, true
	}
	path, argument, found := text, "", false
	if i := strings.IndexAny(text, blank); i >= 0 {
		path, argument, found = text[:i], strings.TrimLeft(text[i:], blank), true
	}
	if path == "" {
		return "", "", fmt.Errorf("%w: its first line names no interpreter", ErrNotExecutable)
	}
	if !found && !ended {
		return "", "", fmt.Errorf("%w: its first line is longer than the %d bytes that the kernel reads", ErrNotExecutable, scriptHead)
	}
	return path, argument, nil
}

// script adds the interpreter of a script, and what it needs itself.
func (s *search) script(path string, head []byte, depth int) error {
	if depth >= maxDepth {
		return fmt.Errorf("%s: a script whose interpreter is a script, more than %d times, which the kernel does not follow", path, maxDepth)
	}
	interpreter, argument, err := interpreterOf(head)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := s.interpreter(path, interpreter, depth); err != nil {
		return err
	}
	switch {
	case filepath.Base(interpreter) == "env":
		return s.found(path, argument, depth)
	case filepath.IsAbs(argument) && isFile(argument):
		s.add(argument, argument)
	}
	return nil
}

// interpreter adds the interpreter of a script at a path.
func (s *search) interpreter(script, path string, depth int) error {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	s.add(absolute, absolute)
	return s.missingBy(script, path, s.program(absolute, depth+1))
}

// missingBy says which script needs an interpreter that is not there.
func (s *search) missingBy(script, name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) && !errors.As(err, new(*MissingError)) {
		return &MissingError{Program: script, Files: []Missing{{Name: name, By: script}}}
	}
	return err
}

// guestPath are the directories in which env finds programs in a machine.
var guestPath = []string{"/usr/bin", "/bin", "/usr/sbin", "/sbin"}

// found adds the program that env starts for a script. In the machine it is found in
// another directory, if the one here is not among those that are searched there.
func (s *search) found(script, argument string, depth int) error {
	name := startedByEnv(argument)
	if name == "" {
		return nil
	}
	path, err := s.lookPath(name)
	if err != nil {
		return s.missingBy(script, name, err)
	}
	if err := s.interpreter(script, path, depth); err != nil {
		return err
	}
	if !strings.Contains(name, "/") && !slices.Contains(guestPath, filepath.Dir(path)) {
		s.add(filepath.Join(guestPath[0], name), path)
	}
	return nil
}

// startedByEnv is the program in the arguments of env, as in "-S python3 -u".
func startedByEnv(argument string) string {
	for _, word := range strings.Fields(argument) {
		if rest, ok := strings.CutPrefix(word, "-S"); ok && rest != "" {
			word = rest
		}
		if !strings.HasPrefix(word, "-") && !strings.Contains(word, "=") {
			return word
		}
	}
	return ""
}

// lookPath finds a program in PATH.
func (s *search) lookPath(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range filepath.SplitList(s.path) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fs.ErrNotExist
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
