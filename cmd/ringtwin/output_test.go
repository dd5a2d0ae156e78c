// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

type fullWriter struct{ error }

func (w fullWriter) Write([]byte) (int, error) { return 0, w.error }

// TestOutputFails: a command that cannot write its output reports that, and does not end
// with exit code 0.
func TestOutputFails(t *testing.T) {
	full := errors.New("no space left on device")
	for _, args := range []string{"facts --list", "facts --list --json"} {
		var stderr bytes.Buffer
		code := Run(t.Context(), strings.Fields(args), fullWriter{full}, &stderr)
		if code != exitInfra || !strings.Contains(stderr.String(), full.Error()) {
			t.Errorf("%s: exit code %d and %q", args, code, stderr.String())
		}
	}
}
