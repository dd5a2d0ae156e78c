// SPDX-License-Identifier: MIT

package workflows

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ringtwin/ringtwin/internal/workflows/standin"
)

// run is one execution of a workflow.
type run struct {
	repository string            // directory of the caller's repository. Default: this one
	workflow   string            // file in .github/workflows
	event      string            // such as pull_request
	job        string            // this job and those that it needs. Default: all
	inputs     map[string]string // of workflow_dispatch
	env        []string          // more environment of all steps
	path       string            // directory of programs in place of the machine's
	store      string            // directory of artifacts and caches. Default: an empty one
	action     string            // directory of ringtwin/ringtwin@v1. Default: without its sources
	cancelAt   string            // message of act at which the run is cancelled
}

// realActions is a variable with a directory of the actions of others, as actions/cache,
// which are executed in place of the stand-ins, with node and the servers of act:
// WORKFLOWS_ACTIONS=DIR go test ./internal/workflows -run TestUnknownKernel
const realActions = "WORKFLOWS_ACTIONS"

// maxLine bounds a line of act's log in bytes: it may be a whole summary.
const maxLine = 16 << 20

// log is what a run shows.
type log struct {
	jobs  map[string]string // result of each job, by name with its matrix
	lines []line
}

// line is a line of act's log.
type line struct {
	Job       string            `json:"job"`
	JobID     string            `json:"jobID"`
	Matrix    map[string]string `json:"matrix"`
	Step      string            `json:"step"`
	Stage     string            `json:"stage"`
	Message   string            `json:"msg"`
	Command   string            `json:"command"`
	Arguments map[string]string `json:"kvPairs"`
	Argument  string            `json:"arg"`
	Content   string            `json:"content"`
	JobResult string            `json:"jobResult"`
	Result    string            `json:"stepResult"`
	Raw       bool              `json:"raw_output"`
}

// The results of jobs.
const (
	success = "success"
	failure = "failure"
)

// name is a job with the kernel of its matrix.
func (l line) name() string {
	if kernel := l.Matrix["kernel"]; kernel != "" {
		return l.JobID + " " + kernel
	}
	return l.JobID
}

// uses matches an action of others with its commit.
var uses = regexp.MustCompile(`uses: (actions/[a-z-]+)(?:/[a-z]+)?@([0-9a-f]{40})`)

// replacements has act take stand-ins for the actions of others.
var replacements = sync.OnceValues(func() ([]string, error) {
	args := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(root, ".github/workflows/*.yml"))
	if err != nil {
		return nil, err
	}
	stands, err := filepath.Abs(cmp.Or(os.Getenv(realActions), "testdata"))
	if err != nil {
		return nil, err
	}
	foreign, err := filepath.Glob("testdata/foreign/.github/workflows/*.yml")
	if err != nil {
		return nil, err
	}
	for _, file := range slices.Concat(files, foreign, []string{filepath.Join(root, "action.yml")}) {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for _, m := range uses.FindAllStringSubmatch(string(text), -1) {
			args[fmt.Sprintf("%s@%s=%s", m[1], m[2], filepath.Join(stands, m[1]))] = true
		}
	}
	return slices.Sorted(maps.Keys(args)), nil
})

// execute runs a workflow to its end.
func (r run) execute(t *testing.T) *log {
	t.Helper()
	r.repository = cmp.Or(r.repository, checkout)
	if r.store == "" {
		r.store = t.TempDir()
	}
	args := []string{r.event, "--json", "--directory", r.repository, "--workflows", filepath.Join(".github/workflows", r.workflow),
		"--platform", "ubuntu-24.04=-self-hosted", "--pull=false", "--action-offline-mode", "--rm"}
	if os.Getenv(realActions) == "" {
		args = append(args, "--no-cache-server")
	} else {
		args = append(args, "--cache-server-addr", "127.0.0.1", "--cache-server-path", filepath.Join(r.store, "caches"),
			"--artifact-server-addr", "127.0.0.1", "--artifact-server-path", filepath.Join(r.store, "artifacts"))
	}
	if r.job != "" {
		args = append(args, "--job", r.job)
	}
	replaced, err := replacements()
	if err != nil {
		t.Fatal(err)
	}
	for _, replacement := range append(replaced, "ringtwin/ringtwin@v1="+cmp.Or(r.action, action)) {
		args = append(args, "--local-repository", replacement)
	}
	for name, value := range r.inputs {
		args = append(args, "--input", name+"="+value)
	}
	text, err := r.act(t, args)
	keep(t, text)
	l := parse(t, text)
	if len(l.jobs) == 0 {
		t.Fatalf("act ran no job: %v\n%s", err, text)
	}
	return l
}

// act runs act, and returns its log. It fails when a job does.
func (r run) act(t *testing.T, args []string) (text []byte, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), actProgram, args...)
	cmd.Env = r.environment(t)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		text = append(append(text, lines.Bytes()...), '\n')
		if m := readUpTo.FindSubmatch(lines.Bytes()); m != nil {
			go release(string(m[1]))
			continue
		}
		if r.cancelAt != "" && bytes.Contains(lines.Bytes(), []byte(r.cancelAt)) {
			r.cancelAt = ""
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Error(err)
			}
		}
	}
	if err := errors.Join(lines.Err(), cmd.Wait()); err != nil {
		return text, fmt.Errorf("%w: %s", err, stderr.Bytes())
	}
	return text, nil
}

// shell stands for bash in front of it in the path: act drops what it has not yet read of a
// step when the step fails. So the shell of such a step ends when all of it was read. A
// script within a step is run as it is.
const shell = `#!/bin/bash
[[ -z ${WORKFLOWS_SHELL-} ]] || exec /bin/bash "$@"
export WORKFLOWS_SHELL=yes
/bin/bash "$@" && exit
code=$?
read=$(mktemp -u)
mkfifo "$read"
echo "read up to $read"
: <"$read"
exit $code
`

// readUpTo matches the line of a shell that waits, with the path of its pipe.
var readUpTo = regexp.MustCompile(`"msg":"read up to ([^\\"]+)`)

// release ends a shell that waits, or waits as long as it does.
func release(pipe string) {
	if file, err := os.OpenFile(pipe, os.O_WRONLY, 0); err == nil {
		_ = file.Close()
	}
}

// environment is that of act, which is the base of all steps': nothing of this machine's
// but how it reaches Go's modules and the archive of kernels.
func (r run) environment(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	shells := t.TempDir()
	if err := os.WriteFile(filepath.Join(shells, "bash"), []byte(shell), 0o755); err != nil {
		t.Fatal(err)
	}
	env := []string{
		"HOME=" + dir, "XDG_CACHE_HOME=" + dir, "TMPDIR=" + dir, "PATH=" + strings.Join([]string{shells, cmp.Or(r.path, shells), os.Getenv("PATH")}, ":"), "CGO_ENABLED=0",
		"GOFLAGS=-buildvcs=false", "RINGTWIN_CACHE=" + sharedCache(t),
		standin.Program + "=" + self, standin.Dir + "=" + r.store,
		"KVM_DEVICE=/none", // what a run shows is the same on a machine with KVM
	}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE"} {
		value, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		env = append(env, name+"="+strings.TrimSpace(string(value)))
	}
	for _, name := range []string{"RINGTWIN_PATIENCE", "RINGTWIN_APT", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return append(env, r.env...)
}

// keep stores a log where it can be read when a test has failed.
func keep(t *testing.T, text []byte) {
	t.Helper()
	dir := os.Getenv("WORKFLOWS_LOGS")
	if dir == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "-")+".jsonl"), text, 0o644); err != nil {
		t.Error(err)
	}
}

// parse reads act's log.
func parse(t *testing.T, text []byte) *log {
	t.Helper()
	l := &log{jobs: map[string]string{}}
	failed := map[string]bool{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var one line
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			continue // of act itself
		}
		l.lines = append(l.lines, one)
		switch name := one.name(); {
		case one.Stage == "Main" && one.Result == failure:
			failed[name] = true
		case one.JobResult != "" && failed[name]:
			l.jobs[name] = failure
		case one.JobResult != "": // act's own is that of all jobs of a matrix so far
			l.jobs[name] = success
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return l
}
