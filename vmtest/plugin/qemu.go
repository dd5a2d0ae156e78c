// SPDX-License-Identifier: MIT

package plugin

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

var (
	//go:embed count_1_amd64.so
	count1 []byte
	//go:embed count_2_amd64.so
	count2 []byte
	//go:embed count_3_amd64.so
	count3 []byte
)

// builds are the plugin for the versions of QEMU's interface, from 1 on.
var builds = [...][]byte{count1, count2, count3}

// buildFor returns the one for a QEMU. A later QEMU takes that of version 3 as long as the
// oldest version that it takes is not above that: of 10.0 it is 2.
//
// https://www.qemu.org/docs/master/devel/tcg-plugins.html#api-versioning
func buildFor(version string, cpus int) ([]byte, error) {
	api, err := apiOf(version, cpus)
	if err != nil {
		return nil, err
	}
	return builds[api-1], nil
}

var versionNumber = regexp.MustCompile(`^(\d+)\.(\d+)\b`)

// MaxCPUs is how many vCPUs a machine may have. What several share is counted too.
const MaxCPUs = 32

// apiOf returns the version of the interface for machines with so many vCPUs.
func apiOf(version string, cpus int) (int, error) {
	m := versionNumber.FindStringSubmatch(version)
	if m == nil {
		return 0, fmt.Errorf("count instructions: QEMU %q: not a version; needs QEMU 6.1 or later", version)
	}
	major, majorErr := strconv.Atoi(m[1])
	minor, minorErr := strconv.Atoi(m[2])
	before := func(a, b int) bool { return major < a || major == a && minor < b }
	switch {
	case cpus < 1 || cpus > MaxCPUs:
		return 0, fmt.Errorf("count instructions of %d CPUs: want 1 to %d", cpus, MaxCPUs)
	case majorErr != nil || minorErr != nil || before(6, 1): // from which on a plugin has arguments with names
		return 0, fmt.Errorf("count instructions: QEMU %s is too old: needs QEMU 6.1 or later", version)
	case cpus > 1 && !before(9, 2): // see knows_cpus() in qemu.h
		return 0, fmt.Errorf("count instructions of %d CPUs: QEMU %s tells them apart no more: needs one CPU, or QEMU before 9.2", cpus, version)
	case before(9, 0):
		return 1, nil
	case before(9, 1):
		return 2, nil
	}
	return 3, nil
}

// Supported returns an error that says in one line what is missing to count instructions
// of so many vCPUs with this QEMU. It starts no machine.
func Supported(ctx context.Context, qemu string, cpus int) error {
	out, err := exec.CommandContext(ctx, qemu, "--version").Output()
	if err != nil {
		return failed(ctx, qemu, err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	_, version, _ := strings.Cut(line, "version ")
	if _, err := apiOf(strings.TrimSpace(version), cpus); err != nil {
		return err
	}
	// The option is documented in every build. One without plugins refuses it; the others
	// look for this plugin.
	out, err = exec.CommandContext(ctx, qemu, "-accel", "tcg", "-machine", "none", "-display", "none",
		"-nodefaults", "-no-user-config", "-plugin", missing).CombinedOutput()
	text := strings.TrimSpace(string(out))
	line, _, _ = strings.Cut(text, "\n")
	switch {
	case ctx.Err() != nil:
		return failed(ctx, qemu, err)
	case strings.Contains(text, missing):
		return nil
	case strings.Contains(text, "not enabled in this build"):
		return fmt.Errorf("count instructions: %s was built with --disable-plugins: needs QEMU with plugins", qemu)
	}
	return fmt.Errorf("count instructions: %s does not load plugins: %s", qemu, cmp.Or(line, "it says nothing"))
}

// missing is the path of no plugin.
const missing = "/nonexistent/ringtwin-plugin.so"

func failed(ctx context.Context, qemu string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("count instructions: %s is not installed", qemu)
	}
	return fmt.Errorf("count instructions: start %s: %w", qemu, err)
}
