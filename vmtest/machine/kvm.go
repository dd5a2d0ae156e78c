// SPDX-License-Identifier: MIT

package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// kvmFirstOutput is the limit for the first console output of a kernel under KVM, which
// takes a fraction of a second.
const kvmFirstOutput = 4 * time.Second

// Version is what QEMU says of itself, with the package that it is of:
// "7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)".
func Version(ctx context.Context, qemu string) (string, error) {
	out, err := exec.CommandContext(ctx, qemu, "--version").Output()
	if err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", fmt.Errorf("find QEMU: %w (scripts/setup.sh installs it)", err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	_, version, _ := strings.Cut(line, "version ")
	return strings.TrimSpace(version), nil
}

// probeResult is stored: it is valid for a boot of the host and a version of QEMU.
type probeResult struct {
	Host   string `json:"host"` // boot id of the host, and QEMU's version
	Works  bool   `json:"works"`
	Reason string `json:"reason"`
}

// Choice is the accelerator to use, and why.
type Choice struct {
	Accel  Accel
	Reason string

	path   string
	result *probeResult // not yet kept
}

// ChooseAccel chooses KVM if a machine became ready under it, else TCG. That the device
// can be opened proves nothing: inside another virtual machine KVM may start and never
// run a kernel. The machine of cfg is booted once, and [Choice.Keep] stores the result in
// the directory.
func ChooseAccel(ctx context.Context, cfg Config, version, dir string) Choice {
	no := func(err error) Choice { return Choice{Accel: TCG, Reason: err.Error()} }
	file, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return no(err)
	}
	_ = file.Close()
	bootID, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return no(err)
	}
	host := strings.TrimSpace(string(bootID)) + " " + version
	choice := Choice{Accel: TCG, path: filepath.Join(dir, "kvm.json")}
	result, known := readProbe(choice.path, host)
	if !known {
		result = probeResult{Host: host}
		result.Works, result.Reason = probeKVM(ctx, cfg)
		choice.result = &result
	}
	if result.Works {
		choice.Accel = KVM
	}
	choice.Reason = result.Reason
	return choice
}

// Keep stores the choice for the next run. Call it after the machine has booted with it:
// before that, the kernel may be broken, and not KVM. If it fails, the next run probes
// again.
func (c Choice) Keep() {
	if c.result == nil {
		return
	}
	text, err := json.Marshal(c.result)
	if err != nil {
		return
	}
	_ = os.MkdirAll(filepath.Dir(c.path), 0o755)
	_ = os.WriteFile(c.path, append(text, '\n'), 0o644)
}

// MayUseKVM reports whether [ChooseAccel] can still choose KVM, without booting anything.
// It predicts how many cores a machine will use.
func MayUseKVM(version, dir string) bool {
	file, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	_ = file.Close()
	bootID, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return false
	}
	result, known := readProbe(filepath.Join(dir, "kvm.json"), strings.TrimSpace(string(bootID))+" "+version)
	return !known || result.Works
}

func readProbe(path, host string) (probeResult, bool) {
	var r probeResult
	text, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(text, &r) != nil || r.Host != host {
		return probeResult{}, false
	}
	return r, true
}

func probeKVM(ctx context.Context, cfg Config) (works bool, reason string) {
	cfg.Accel = KVM
	cfg.Limits = LimitsOf(cfg)
	cfg.Console += ".kvm" // not the log of the machine that is to be measured
	defer os.Remove(cfg.Console)
	m, err := Start(cfg)
	if err != nil {
		return false, err.Error()
	}
	defer m.Kill()
	begun := time.Now()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(kvmFirstOutput, func() {
		if info, err := os.Stat(cfg.Console); err == nil && info.Size() == 0 {
			cancel(fmt.Errorf("%w in %s", errSilent, kvmFirstOutput))
		}
	})
	defer watch.Stop()
	_, err = m.AwaitReady(ctx)
	var failure *Failure
	if errors.As(err, &failure) {
		return false, fmt.Sprintf("/dev/kvm is there, but a kernel does not run under it: %v", err)
	}
	if err != nil {
		return false, err.Error()
	}
	return true, fmt.Sprintf("ready in %.1f s", time.Since(begun).Seconds())
}
