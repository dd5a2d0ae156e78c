// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"path/filepath"

	"github.com/ringtwin/ringtwin"
	"github.com/ringtwin/ringtwin/internal/problem"
)

// gotestCmd runs go test on kernels.
type gotestCmd struct {
	execFlags
	Args []string `arg:"" optional:"" passthrough:"" name:"argument" help:"Arguments of go test: flags and packages, after --."`
}

// Run runs the tests on every kernel, one after the other, and shows a table.
func (g *gotestCmd) Run(e *env) error {
	if err := g.fits(); err != nil {
		return err
	}
	flags, err := g.flags()
	if err != nil {
		return err
	}
	host, refs, err := g.kernels(e)
	if err != nil {
		return err
	}
	args := g.Args
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	test := &ringtwin.GoTest{Host: host, Exec: flags, Args: args, Fold: g.annotates(), Stdout: e.stdout, Stderr: e.stderr}
	each, err := test.Run(e.ctx, refs)
	if err != nil {
		return err
	}
	if err := each.Text(e.stderr); err != nil {
		return err
	}
	return g.tell(e, problem.Sort(append(host.Warnings(), each.Problems()...)), "", each.Markdown)
}

// flags are those for exec, which go test starts in the directory of each package.
func (g *gotestCmd) flags() ([]string, error) {
	lock, err := filepath.Abs(g.LockFile)
	if err != nil {
		return nil, err
	}
	flags := []string{
		"--lock-file=" + lock, fmt.Sprintf("--timeout=%s", g.Timeout), fmt.Sprintf("--cpus=%d", g.CPUs), fmt.Sprintf("--memory=%d", g.Memory),
		"--append=" + g.Append, "--accel=" + g.Accel, "--qemu=" + g.QEMU, fmt.Sprintf("--offline=%t", g.Offline), fmt.Sprintf("--locked=%t", g.Locked),
		fmt.Sprintf("--expect-kvm=%t", g.ExpectKVM),
	}
	for _, env := range g.Env {
		flags = append(flags, "--env="+env)
	}
	return flags, nil
}
