// SPDX-License-Identifier: MIT

package machine

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// VNG is a machine that virtme-ng makes: its root is this system's, read-only
// with overlays, its init is virtme-ng's, and the kernel's modules are loaded.
type VNG struct {
	Program string // default: vng from PATH
	// Guest is the command that answers on [wire.ControlPort]: an absolute
	// path, and arguments. When it ends the machine is switched off.
	Guest []string
}

const defaultVNG = "vng"

// vngArgs is the command line of virtme-ng. It passes text to a shell, so words of that
// text are quoted here. It quotes --exec itself, and splits --append like a shell.
func (c Config) vngArgs() []string {
	guest := make([]string, len(c.VNG.Guest))
	for i, arg := range c.VNG.Guest {
		guest[i] = quote(arg)
	}
	program := c.VNG.Program
	if program == "" {
		program = defaultVNG
	}
	args := []string{
		program,
		"--run", quote(c.Kernel),
		"--exec", strings.Join(guest, " "),
		"--cpus", fmt.Sprint(c.CPUs),
		"--memory", fmt.Sprintf("%dM", c.MemoryMiB),
		// 9p is part of QEMU, and a microvm has one serial port.
		"--force-9p", "--disable-microvm",
	}
	if c.QEMU != DefaultQEMU {
		args = append(args, "--qemu", quote(c.QEMU))
	}
	if c.Accel == TCG {
		args = append(args, "--disable-kvm")
	}
	// It asks for silence; the last word counts. See options for the other one.
	words := []string{"loglevel=7", "sysrq_always_enabled"}
	if c.Accel == TCG {
		words = append(words, c.accelerator().kernel...)
	}
	if c.Append != "" {
		words = append(words, c.Append)
	}
	for _, word := range words {
		args = append(args, "--append="+word)
	}
	return append(args, "--qemu-opts="+strings.Join(c.vngQEMU(), " "))
}

// vngQEMU is what virtme-ng's machine lacks, as arguments of QEMU.
func (c Config) vngQEMU() []string {
	var args []string
	if c.Accel == TCG { // with KVM virtme-ng chooses the CPU
		args = append(args, c.accelerator().args...)
	}
	// The first serial port, and with it the kernel's console, is virtme-ng's,
	// which throws it away. -set changes where it ends:
	// https://www.qemu.org/docs/master/system/invocation.html
	set := func(key, value string) { args = append(args, "-set", quote("chardev.console."+key+"="+value)) }
	set("path", c.Console)
	set("append", "on")
	if c.portDir == "" { // by hand: talk to nobody
		return append(args, "-serial", "null")
	}
	socket := func(id string) {
		args = append(args, "-chardev", quote("socket,id="+id+",path="+escape(portPath(c.portDir, id))))
	}
	socket(controlPort)
	socket(monitorPort)
	return append(args, "-serial", "chardev:"+controlPort, "-mon", "chardev="+monitorPort+",mode=control")
}

// vngTools are what virtme-ng, and its init, starts, with what the file is
// called. All of them are in the packages that scripts/setup.sh --vng installs.
var vngTools = map[string][]string{
	"file": {"file"}, "modprobe": {"modprobe"}, "bash": {"bash"},
	"busybox": {"busybox-static", "busybox.static", "busybox"},
	"udev":    {"/usr/lib/systemd/systemd-udevd", "/lib/systemd/systemd-udevd", "udevd"},
}

// VNGVersion is the version that virtme-ng reports: "1.35". It is an error if a required
// tool is missing.
func VNGVersion(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, defaultVNG, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("find virtme-ng: %w (scripts/setup.sh --vng installs it)", err)
	}
	for _, tool := range slices.Sorted(maps.Keys(vngTools)) {
		if !slices.ContainsFunc(vngTools[tool], installed) {
			return "", fmt.Errorf("virtme-ng needs %s, which is not installed (scripts/setup.sh --vng installs it)", tool)
		}
	}
	return strings.TrimSpace(strings.TrimPrefix(string(out), "virtme-ng ")), nil
}

// installed searches where virtme-ng searches: not in PATH alone.
func installed(program string) bool {
	for _, dir := range []string{"", "/usr/sbin", "/sbin"} {
		if _, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return true
		}
	}
	return false
}
