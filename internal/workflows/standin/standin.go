// SPDX-License-Identifier: MIT

// Package standin stands in for the actions of others that the workflows use: the same
// inputs and outputs, and those rules of GitHub that a workflow can break. Artifacts and
// caches are directories. It can lose and empty artifacts, as a failed upload does.
package standin

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The environment of a stand-in, besides an action's inputs.
const (
	// Program is the program that calls Main, for the stand-ins' action.yml.
	Program = "STANDIN_PROGRAM"
	// Dir is the directory of all artifacts and caches.
	Dir = "STANDIN_DIR"
	// Lose names the artifacts that are lost, separated by spaces, or is all of one
	// prefix, as vmtest-*.
	Lose = "STANDIN_LOSE"
	// Empty names the artifacts whose results are emptied.
	Empty = "STANDIN_EMPTY"
)

// actions are the stand-ins, by name.
var actions = map[string]func() error{
	"upload-artifact":   upload,
	"download-artifact": download,
	"cache-restore":     restore,
	"cache-save":        save,
	"setup-go":          setupGo,
}

// Main executes an action, and returns the exit code of its step.
func Main(action string) int {
	run, ok := actions[action]
	if !ok {
		fmt.Printf("::error::no stand-in for %s\n", action)
		return 1
	}
	if err := run(); err != nil {
		fmt.Printf("::error::%v\n", err)
		return 1
	}
	return 0
}

// input is the value of an input, without the spaces around it, as the actions read it.
func input(name string) string {
	return strings.TrimSpace(os.Getenv("STANDIN_INPUT_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))))
}

// output sets an output of the step.
func output(name, value string) error {
	file, err := os.OpenFile(os.Getenv("GITHUB_OUTPUT"), os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(file, "%s=%s\n", name, value)
	return errors.Join(err, file.Close())
}

// lines are the lines of an input that is a list.
func lines(name string) []string {
	var all []string
	for line := range strings.Lines(input(name)) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

// named reports whether a variable names an artifact.
func named(variable, artifact string) bool {
	for _, pattern := range strings.Fields(os.Getenv(variable)) {
		if ok, _ := filepath.Match(pattern, artifact); ok {
			return true
		}
	}
	return false
}

// setupGo has nothing to install: the machine's Go is used.
func setupGo() error {
	if file := input("go-version-file"); file != "" {
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("the specified go version file does not exist: %w", err)
		}
	}
	return nil
}
