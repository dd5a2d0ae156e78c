package main

import (
	"bufio"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/internal/need"
)

// TestHello: root and user 501 start a program, and the tracer prints each with
// its message, over either transport; Ctrl-C ends it with exit code 0.
func TestHello(t *testing.T) {
	need.Root(t)
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
				got := hello(t, append([]string{"--transport", transport}, test.args...), 0, 501, 777)
				for _, pattern := range test.want {
					if !regexp.MustCompile(pattern).MatchString(got) {
						t.Errorf("no line matches %s in\n%s", pattern, got)
					}
				}
			})
		}
	}
}

// hello traces one program of each user and returns what was printed.
func hello(t *testing.T, args []string, uids ...uint32) string {
	t.Helper()
	cmd := exec.Command(program, append([]string{"hello"}, args...)...)
	var stdout strings.Builder
	cmd.Stdout = &stdout
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewReader(stderr)
	if line, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(line, "tracing execve") {
		t.Fatalf("said %q, %v", line, err)
	}
	for _, uid := range uids {
		if err := user(t.Context(), uid, "/bin/true"); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
	return stdout.String()
}
