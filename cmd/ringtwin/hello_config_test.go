// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/internal/bpffs"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

// tracer is a hello that runs, for another user's programs too.
type tracer struct {
	cmd    *exec.Cmd
	stdout strings.Builder
}

// startTracer returns when it traces.
func startTracer(t *testing.T, args ...string) *tracer {
	t.Helper()
	tr := &tracer{cmd: exec.Command(program, append([]string{"hello"}, args...)...)}
	tr.cmd.Stdout = &tr.stdout
	stderr, err := tr.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.cmd.Process.Kill() })
	line, err := bufio.NewReader(stderr).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "tracing execve") {
		t.Fatalf("said %q, %v", line, err)
	}
	return tr
}

// stop ends it as Ctrl-C does, and returns what it printed.
func (tr *tracer) stop(t *testing.T) string {
	t.Helper()
	if err := tr.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := tr.cmd.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
	return tr.stdout.String()
}

// runProgram runs a command line and returns its output and its exit code.
func runProgram(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return runs(t, program, args...)
}

// runs is the same for any program.
func runs(t *testing.T, program string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(program, args...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), code
}

// TestHelloConfig: the messages of a running tracer are printed as the real
// bpftool prints them, and changed from another process; its pin ends with it.
func TestHelloConfig(t *testing.T) {
	testutils.Root(t)
	bpftool := testutils.Bpftool(t)
	dir := bpffs.Mount(t)
	pin := filepath.Join(dir, "tracer", "config")
	tr := startTracer(t, "--pin", pin)

	for format, flags := range map[string][]string{"": nil, "--json": {"-j"}, "--pretty": {"-p"}} {
		want, err := exec.Command(bpftool, append(flags, "map", "dump", "pinned", pin)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		args := slices.DeleteFunc([]string{"hello", "dump", "--pin", pin, format}, func(arg string) bool { return arg == "" })
		got, stderr, code := runProgram(t, args...)
		if diff := gocmp.Diff(string(want), got); diff != "" || code != 0 {
			t.Errorf("dump %s: exit code %d, %sbpftool (-) and dump (+) differ:\n%s", format, code, stderr, diff)
		}
		for _, text := range []string{`"Hey root!"`, `"Hi user 501!"`} {
			if !strings.Contains(got, text) {
				t.Errorf("dump %s: no %s in %s", format, text, got)
			}
		}
	}

	if err := user(t.Context(), 501, "/bin/true"); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := runProgram(t, "hello", "set", "--pin", pin, "501=changed", "502=new here"); code != 0 {
		t.Fatalf("set: exit code %d, %s", code, stderr)
	}
	for _, uid := range []uint32{501, 502} {
		if err := user(t.Context(), uid, "/bin/true"); err != nil {
			t.Fatal(err)
		}
	}
	printed := tr.stop(t)
	if pattern := `(?s)501 +\S+ +Hi user 501!\n.*501 +\S+ +changed\n.*502 +\S+ +new here\n`; !regexp.MustCompile(pattern).MatchString(printed) {
		t.Errorf("no match of %s in\n%s", pattern, printed)
	}
	if _, err := os.Stat(filepath.Dir(pin)); !os.IsNotExist(err) {
		t.Errorf("the directory of the pin is still there: %v", err)
	}
}

// TestHelloConfigMistakes: each mistake is reported in one line.
func TestHelloConfigMistakes(t *testing.T) {
	testutils.Root(t)
	dir := bpffs.Mount(t)
	pin := filepath.Join(dir, "config")
	tr := startTracer(t, "--pin", pin)
	noBTF := filepath.Join(dir, "no_btf")
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Pin(noBTF); err != nil {
		t.Fatal(err)
	}
	plain := t.TempDir()
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"hello set --pin " + pin + " root=hi", exitUsage, `uid "root" is not a number`},
		{"hello set --pin " + pin + " 4294967296=hi", exitUsage, "not a number from 0 to 4294967295"},
		{"hello set --pin " + pin + " 501=thirteen-byte", exitUsage, "has 13 bytes, at most 12 fit"},
		{"hello set --pin " + pin + " 501", exitUsage, "want UID=TEXT"},
		{"hello set --pin " + noBTF + " 501=hi", exitInfra, "is no map of messages"},
		{"hello set --pin " + dir + "/none 501=hi", exitInfra, "no tracer has its messages there"},
		{"hello dump --pin " + dir + "/none", exitInfra, "no tracer has its messages there"},
		{"hello dump --pin " + noBTF, exitInfra, "has no BTF"},
		{"hello dump --pin " + plain + "/config", exitInfra, "mount -t bpf bpf /sys/fs/bpf"},
		{"hello --pin " + plain + "/config", exitInfra, "mount -t bpf bpf /sys/fs/bpf"},
		{"hello --pin " + pin, exitInfra, "pinned there already"},
	} {
		stdout, stderr, code := runProgram(t, strings.Fields(test.args)...)
		if code != test.code || !strings.Contains(stderr, test.want) || strings.Count(stderr, "\n") != 1 || stdout != "" {
			t.Errorf("%s: exit code %d, want %d; want one line with %q, got %q%s", test.args, code, test.code, test.want, stdout, stderr)
		}
	}
	tr.stop(t)
}
