// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/ringtwin/ringtwin/internal/bounds"
)

// wanted are required arguments: without them a command fails for another reason.
var wanted = map[string][]string{
	"vmtest": {"6.1"},
	"plan":   {"6.1"},
	"exec":   {"--kernel", "6.1", "./program"},
	"test":   {"--kernel", "6.1"},
	"gotest": {"--kernel", "6.1"},
}

// TestBounds: each numeric flag of each command has bounds, and rejects numbers beyond
// them in a line with the flag, the number and what is wanted.
func TestBounds(t *testing.T) {
	numeric := 0
	for _, command := range newParser(nil, nil, nil).Model.Leaves(false) {
		for _, flag := range slices.Concat(command.AllFlags(true)...) {
			if !bounds.IsNumeric(flag.Target.Type()) {
				if kind := flag.Target.Kind().String(); strings.Contains(kind, "int") || strings.Contains(kind, "float") {
					t.Errorf("%s --%s is a number without bounds", command.Path(), flag.Name)
				}
				continue
			}
			numeric++
			for _, beyond := range beyondBounds(t, flag) {
				args := slices.Concat(strings.Fields(command.Path()), wanted[command.Name], []string{"--" + flag.Name + "=" + beyond})
				// In front of the program: what is behind it is the program's.
				if command.Name == "exec" {
					args[len(args)-1], args[len(args)-2] = args[len(args)-2], args[len(args)-1]
				}
				var stdout, stderr bytes.Buffer
				code := Run(t.Context(), args, &stdout, &stderr)
				want := fmt.Sprintf("--%s %s: want %s to %s", flag.Name, beyond, flag.Tag.Get("min"), flag.Tag.Get("max"))
				if code != usageCode(command.Name) || !strings.Contains(stderr.String(), want) || strings.Count(stderr.String(), "\n") != 1 {
					t.Errorf("%q: exit code %d and %q, want %q", args, code, stderr.String(), want)
				}
			}
		}
	}
	if numeric == 0 {
		t.Error("no flag takes a number")
	}
}

// usageCode is the exit code of a usage error of a command.
func usageCode(command string) int {
	if command == "exec" {
		return exitExec
	}
	return exitUsage
}

// beyondBounds are the next numbers below and above.
func beyondBounds(t *testing.T, flag *kong.Flag) []string {
	t.Helper()
	low, high := flag.Tag.Get("min"), flag.Tag.Get("max")
	if flag.Target.Type() == reflect.TypeFor[time.Duration]() {
		least, err := time.ParseDuration(low)
		if err != nil {
			t.Fatalf("--%s: %v", flag.Name, err)
		}
		most, err := time.ParseDuration(high)
		if err != nil {
			t.Fatalf("--%s: %v", flag.Name, err)
		}
		return []string{(least - 1).String(), "0s", (most + 1).String()}
	}
	least, err := strconv.Atoi(low)
	if err != nil {
		t.Fatalf("--%s: %v", flag.Name, err)
	}
	most, err := strconv.Atoi(high)
	if err != nil {
		t.Fatalf("--%s: %v", flag.Name, err)
	}
	return []string{"-1", strconv.Itoa(least - 1), strconv.Itoa(most + 1)}
}

// TestMemory: a machine with more memory than the host has available is rejected before
// anything is fetched or booted.
func TestMemory(t *testing.T) {
	t.Setenv("RINGTWIN_CACHE", t.TempDir())
	for _, args := range []string{
		"vmtest 6.1", "facts 6.1", "facts --bisect wedge --from 5.10 --to 6.1", "syscalls 6.1", "exec --kernel 6.1 /bin/true", "gotest --kernel 6.1 ./...",
	} {
		words := strings.Fields(args)
		words = slices.Concat(words[:1], []string{"--memory", "16777216"}, words[1:])
		var stdout, stderr bytes.Buffer
		code := Run(t.Context(), words, &stdout, &stderr)
		if code != usageCode(words[0]) || !strings.Contains(stderr.String(), "--memory 16777216: want at most ") ||
			!strings.Contains(stderr.String(), " MiB available") || strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("%q: exit code %d and %q", words, code, stderr.String())
		}
	}
}
