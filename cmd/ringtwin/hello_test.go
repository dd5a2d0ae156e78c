// SPDX-License-Identifier: MIT

package main

import (
	"regexp"
	"testing"

	"github.com/ringtwin/ringtwin/internal/testutils"
)

// TestHello: root and user 501 start a program, and the tracer prints each with
// its message, over either transport; Ctrl-C ends it with exit code 0.
func TestHello(t *testing.T) {
	testutils.Root(t)
	for _, transport := range []string{"perf", "ringbuf"} {
		for name, test := range map[string]struct {
			args []string
			want []string
		}{
			"messages of the book": {nil, []string{
				`(?m)^\d+ +0 +\S+ +Hey root!$`, `(?m)^\d+ +501 +\S+ +Hi user 501!$`, `(?m)^\d+ +777 +\S+ +Hello World$`,
			}},
			"messages given": {[]string{"--message", "0=I am root", "--message", "777=a=b"}, []string{
				`(?m)^\d+ +0 +\S+ +I am root$`, `(?m)^\d+ +501 +\S+ +Hello World$`, `(?m)^\d+ +777 +\S+ +a=b$`,
			}},
		} {
			t.Run(transport+"/"+name, func(t *testing.T) {
				got := runHello(t, append([]string{"--transport", transport}, test.args...), 0, 501, 777)
				for _, pattern := range test.want {
					if !regexp.MustCompile(pattern).MatchString(got) {
						t.Errorf("no line matches %s in\n%s", pattern, got)
					}
				}
			})
		}
	}
}

// runHello traces one program of each user and returns what was printed.
func runHello(t *testing.T, args []string, uids ...uint32) string {
	t.Helper()
	tr := startTracer(t, args...)
	for _, uid := range uids {
		if err := user(t.Context(), uid, "/bin/true"); err != nil {
			t.Fatal(err)
		}
	}
	return tr.stop(t)
}
