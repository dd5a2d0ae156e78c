// SPDX-License-Identifier: MIT

package machine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/vmtest/plugin"
	"github.com/ringtwin/ringtwin/vmtest/wire"
)

// Accel is how the guest's instructions are executed.
type Accel string

// The accelerators.
const (
	KVM Accel = "kvm"
	TCG Accel = "tcg" // QEMU's emulation
	// Auto is KVM if a machine became ready under it, else TCG: see [ChooseAccel].
	Auto Accel = "auto"
)

// Config is one machine. The zero value of a field is not a default, see [Config.Defaults].
type Config struct {
	QEMU      string // the program; default: qemu-system-x86_64 from PATH
	Kernel    string // path of the image
	Initramfs string // path
	Console   string // path of the file that gets the kernel's console
	Accel     Accel
	CPUs      int
	MemoryMiB int
	// Append is added to the kernel's command line.
	Append string
	// Limits are those of the accelerator by default.
	Limits Limits

	// Virtual time: see virtual.go. Seed is that of the guest's entropy.
	Virtual bool
	Seed    uint64

	// Shared makes the machine one for programs, which shares a buffer with this process:
	// see memory.go.
	Shared bool

	// VNG makes virtme-ng start the machine; our initramfs is not used then.
	VNG *VNG

	request []byte // frames that a machine in virtual time is given
	// counts is what a plugin counts of a restored machine; nil: none.
	counts *plugin.Memory
	// controlFD is the descriptor in QEMU of the pipe that control ends in, of a
	// machine in virtual time that this process starts.
	controlFD int
	portDir   string // of the sockets of a machine that virtme-ng makes
}

// Defaults fills in what a machine needs at least: 2 CPUs, so that producer
// and consumer do not share one, and 512 MiB.
func (c Config) Defaults() Config {
	if c.QEMU == "" {
		c.QEMU = DefaultQEMU
	}
	if c.Accel == "" {
		c.Accel = TCG
	}
	if c.CPUs == 0 {
		c.CPUs = 2
	}
	if c.MemoryMiB == 0 {
		c.MemoryMiB = 512
	}
	if c.Limits == (Limits{}) {
		c.Limits = LimitsOf(c)
	}
	return c
}

// option is a feature of a machine: arguments of QEMU, and words on the kernel's command
// line.
type option struct {
	args   []string
	kernel []string
}

// options are all options of the machine, each with its reason.
func (c Config) options(accelerator option) []option {
	return []option{
		// Only what was requested: no network, no disk, no screen, no configuration file
		// of the user.
		{args: []string{"-nodefaults", "-no-user-config", "-display", "none"}},
		{args: []string{"-machine", arch.machine}},
		accelerator,
		{args: []string{"-smp", fmt.Sprint(c.CPUs), "-m", fmt.Sprintf("%dM", c.MemoryMiB)}},
		// A panic, and a guest that cannot switch power off, end the machine.
		{args: []string{"-no-reboot"}, kernel: []string{"panic=-1"}},
		{args: []string{"-kernel", c.Kernel, "-initrd", c.Initramfs}},
		// First serial port: the kernel's console. Every kernel has the driver.
		{
			args:   append(c.console(), "-serial", "chardev:console"),
			kernel: []string{"console=" + arch.console, "sysrq_always_enabled"},
		},
		c.shared(),
		// Second: control.
		{args: append(c.control(), "-serial", "chardev:control")},
	}
}

// console is the backend of the first serial port: a log file. The host's input comes
// from a keyboard that is plugged in when needed (liveness.go), or in virtual time, where
// a recording QEMU refuses that, from standard input.
//
// It is not a socket with a log file of QEMU. A socket is full after some hundred
// characters that a busy host has not read yet. Then the port retries the character
// later, and it is logged twice, because qemu_chr_write_buffer logs what it could not
// write. A panic may so become unrecognizable.
//
// https://gitlab.com/qemu-project/qemu/-/blob/v7.2.0/chardev/char.c
// serial_xmit in https://gitlab.com/qemu-project/qemu/-/blob/v7.2.0/hw/char/serial.c
func (c Config) console() []string {
	if c.controlFD != 0 {
		return []string{"-chardev", "stdio,id=console,signal=off"} // its output is the log
	}
	return []string{"-chardev", "file,id=console,append=on,path=" + escape(c.Console)}
}

// control is the backend of the second: QEMU's standard input and output, so that nothing
// is left in the file system and the end of QEMU is an EOF. In virtual time it is a pipe,
// because nothing is sent to a guest there.
func (c Config) control() []string {
	if c.controlFD != 0 {
		return []string{"-chardev", fmt.Sprintf("file,id=control,append=on,path=/dev/fd/%d", c.controlFD)}
	}
	return []string{"-chardev", "stdio,id=control,signal=off"}
}

// shared: see memory.go.
func (c Config) shared() option {
	if !c.Shared {
		return option{}
	}
	return option{kernel: []string{wire.HostWord}}
}

// accelerator: emulation runs all CPUs in one thread. With one thread each, a CPU can
// meet an instruction that another is patching, as attaching a tracepoint does: see
// docs/machines.md.
func (c Config) accelerator() option {
	if c.Accel == KVM {
		return option{args: []string{"-accel", "kvm", "-cpu", "host"}}
	}
	cpu := "max"
	if c.Shared {
		cpu += arch.copies
	}
	kernel := arch.emulated
	if !c.Virtual {
		kernel = slices.Concat(kernel, arch.late)
	}
	return option{args: []string{"-accel", "tcg,thread=single", "-cpu", cpu}, kernel: kernel}
}

// CPUModel is the value of -cpu.
func (c Config) CPUModel() string {
	if c.Accel == KVM {
		return "host"
	}
	return "max"
}

// Args is the full command line of the machine, the program first.
func (c Config) Args() []string { return c.backend().args(c) }

// qemuArgs is the command line of QEMU.
func (c Config) qemuArgs(accelerator option) []string {
	args := []string{c.QEMU}
	var kernel []string
	for _, o := range c.options(accelerator) {
		args = append(args, o.args...)
		kernel = append(kernel, o.kernel...)
	}
	if c.Append != "" {
		kernel = append(kernel, c.Append)
	}
	return append(args, "-append", strings.Join(kernel, " "))
}

// escape escapes a path in a QEMU option, where a comma ends the value.
func escape(path string) string { return strings.ReplaceAll(path, ",", ",,") }

// Command is the command line as typed in a shell.
func (c Config) Command() string {
	args := c.Args()
	quoted := make([]string, len(args))
	for i, arg := range args {
		quoted[i] = quote(arg)
	}
	return strings.Join(quoted, " ")
}

func quote(arg string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_=./:,+@%", r)
	}
	if arg != "" && strings.IndexFunc(arg, func(r rune) bool { return !plain(r) }) < 0 {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}
