// SPDX-License-Identifier: MIT

package kernel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/ringtwin/ringtwin/internal/patience"
	"github.com/ringtwin/ringtwin/vmtest/flock"
	"golang.org/x/sys/unix"
)

// apt runs apt with its own state under dir: it writes no file of the system's apt, and
// needs no root. apt checks the signatures.
type apt struct {
	cache   Cache
	root    string // of the system whose mirrors are used: "/"
	phase   func(string)
	arch    string // as Debian and Go call it; "": the machine's
	modules bool   // unpack the modules too
}

// of is the same apt for another architecture.
func (a *apt) of(arch string) *apt {
	other := *a
	other.arch = arch
	return &other
}

func (a *apt) architecture() string { return cmp.Or(a.arch, runtime.GOARCH) }

func (a *apt) dir() string {
	if a.architecture() == runtime.GOARCH {
		return filepath.Join(a.cache.Dir, "apt")
	}
	return filepath.Join(a.cache.Dir, "apt-"+a.arch)
}

// options isolate apt; each is needed.
func (a *apt) options() []string {
	o := func(key, value string) string { return "-o" + key + "=" + value }
	return []string{
		o("Dir::State", a.dir()),
		o("Dir::State::Lists", filepath.Join(a.dir(), "lists")),
		o("Dir::State::status", "/dev/null"), // nothing is installed here
		o("Dir::Cache", filepath.Join(a.dir(), "cache")),
		o("Dir::Etc::SourceList", filepath.Join(a.dir(), "ringtwin.sources")),
		o("Dir::Etc::SourceParts", "-"),
		o("APT::Architecture", a.architecture()),
		o("APT::Architectures", a.architecture()),
		o("APT::Sandbox::User", ""), // as root apt would write as another user
		o("Acquire::Languages", "none"),
		o("Acquire::Retries", "3"),
		// Otherwise an unreachable mirror is a warning, and old lists pass for new ones.
		o("APT::Update::Error-Mode", "any"),
	}
}

// fetchTimeout bounds one run of apt: package lists or a kernel are some ten MB.
func fetchTimeout() time.Duration { return patience.Of(5 * time.Minute) }

// run runs a command of apt; errors are apt's own lines.
func (a *apt) run(ctx context.Context, dir, program string, args ...string) (string, error) {
	limit := fetchTimeout()
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%s %s: not done in %s", program, args[0], limit))
	defer cancel()
	ctx, stop := watchSpace(ctx, a.cache.Dir)
	defer stop()
	cmd := exec.CommandContext(ctx, program, append(a.options(), args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	// apt starts helpers: when apt is asked to end, it ends them.
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// apt's helpers end with it.
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	err := runLocked(cmd)
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("%s not found: on this system give a kernel by path", program)
	}
	if err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w", program, args[0], aptError(stderr.String(), err))
	}
	return stdout.String(), nil
}

// runLocked runs a command from a thread that lives as long as the command: the
// parent-death signal comes when the thread dies, not the process.
func runLocked(cmd *exec.Cmd) error {
	ended := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		ended <- cmd.Run()
	}()
	return <-ended
}

// aptError extracts the errors from apt's output.
func aptError(stderr string, err error) error {
	var lines []string
	for line := range strings.Lines(stderr) {
		if text, ok := strings.CutPrefix(line, "E: "); ok {
			lines = append(lines, strings.TrimSpace(text))
		}
	}
	if len(lines) == 0 {
		return err
	}
	return errors.New(strings.Join(lines, "; "))
}

// lock excludes other processes from apt's state.
func (a *apt) lock(ctx context.Context) (unlock func(), err error) {
	for _, dir := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(a.dir(), dir), 0o755); err != nil {
			return nil, fmt.Errorf("make cache directory: %w (set another with RINGTWIN_CACHE)", err)
		}
	}
	return flock.Lock(ctx, filepath.Join(a.dir(), "ringtwin.lock"), func() { a.phase("wait for another process that uses apt") })
}
