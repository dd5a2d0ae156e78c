// SPDX-License-Identifier: MIT

package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ringtwin/ringtwin/vmtest/wire"
	"golang.org/x/sys/unix"
)

// Hostname is that of a machine for programs.
const Hostname = "ringtwin"

// hostMounts are what a program finds mounted. Kernels built without an optional one lack
// it.
var hostMounts = []mount{
	{"devtmpfs", "/dev", "devtmpfs", 0, "", false},
	{"devpts", "/dev/pts", "devpts", unix.MS_NOSUID | unix.MS_NOEXEC, "mode=620,gid=5,ptmxmode=666", true},
	{"tmpfs", "/dev/shm", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777", true},
	{"mqueue", "/dev/mqueue", "mqueue", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, "", true},
	{"hugetlbfs", "/dev/hugepages", "hugetlbfs", 0, "", true},
	{"proc", "/proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, "", false},
	{"sysfs", "/sys", "sysfs", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, "", false},
	{"securityfs", "/sys/kernel/security", "securityfs", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, "", true},
	{"debugfs", "/sys/kernel/debug", "debugfs", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, "", true},
	{"tracefs", "/sys/kernel/tracing", "tracefs", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, "", true},
	{"bpf", "/sys/fs/bpf", "bpf", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, "mode=700", true},
	{"cgroup2", "/sys/fs/cgroup", "cgroup2", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, "nsdelegate,memory_recursiveprot", true},
	{"tmpfs", "/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=755,size=20%", true},
}

// hostRoot is what becomes the root of a machine for programs. It is a mount of its own,
// because the root of a kernel cannot be left with pivot_root(2), as containers want.
const hostRoot = "/" + wire.HostRoot

// becomeHost makes the machine one that a program takes for a host.
func becomeHost() error {
	// Half of the memory, by default. Kernels whose root is not a tmpfs refuse.
	_ = unix.Mount("", "/", "", unix.MS_REMOUNT, "size=90%")
	if err := makeDirs(hostRoot); err != nil {
		return err
	}
	if err := unix.Mount(hostRoot, hostRoot, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount root: %w", err)
	}
	if err := mountAll(hostRoot, hostMounts); err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return os.Chdir(hostRoot) },
		func() error { return unix.Mount(".", "/", "", unix.MS_MOVE, "") },
		func() error { return unix.Chroot(".") },
		func() error { return os.Chdir("/") },
		writeFiles, linkFiles, setNames, setLimits, loopback, delegate,
	} {
		if err := step(); err != nil {
			return fmt.Errorf("set up root: %w", err)
		}
	}
	return nil
}

// directories of a host, with their modes.
var directories = []struct {
	path string
	mode uint32
}{
	{"boot", 0o755},
	{"etc", 0o755},
	{"home", 0o755},
	{"mnt", 0o755},
	{"nonexistent", 0o755},
	{"opt", 0o755},
	{"ringtwin", 0o1777},
	{"root", 0o700},
	{"run", 0o755},
	{"srv", 0o755},
	{"tmp", 0o1777},
	{"usr/bin", 0o755},
	{"usr/lib", 0o755},
	{"usr/lib32", 0o755},
	{"usr/lib64", 0o755},
	{"usr/local/bin", 0o755},
	{"usr/sbin", 0o755},
	{"usr/share", 0o755},
	{"var/lib", 0o755},
	{"var/log", 0o755},
	{"var/tmp", 0o1777},
}

func makeDirs(root string) error {
	for _, d := range directories {
		path := filepath.Join(root, d.path)
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		if err := unix.Chmod(path, d.mode); err != nil { // which the umask does not change
			return err
		}
	}
	return nil
}

// links are what a distribution, udev and the init of a host make.
var links = []struct{ path, to string }{
	// Distributions have merged these with /usr.
	{"/bin", "usr/bin"},
	{"/lib", "usr/lib"},
	{"/lib32", "usr/lib32"},
	{"/lib64", "usr/lib64"},
	{"/sbin", "usr/sbin"},
	{"/dev/fd", "/proc/self/fd"},
	{"/dev/stdin", "/proc/self/fd/0"},
	{"/dev/stdout", "/proc/self/fd/1"},
	{"/dev/stderr", "/proc/self/fd/2"},
	{"/dev/core", "/proc/kcore"},
	{"/etc/mtab", "/proc/self/mounts"},
	{"/etc/localtime", "/usr/share/zoneinfo/Etc/UTC"},
	{"/var/run", "/run"},
	{"/var/lock", "/run/lock"},
}

func linkFiles() error {
	for _, l := range links {
		if err := os.Symlink(l.to, l.path); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	// devpts has a multiplexer of its own, which /dev/ptmx leads to in either way.
	if err := os.MkdirAll("/run/lock", 0o755); err != nil {
		return err
	}
	return unix.Chmod("/run/lock", 0o1777)
}

func writeFiles() error {
	for path, text := range etc {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return os.Chmod("/etc/shadow", 0o640)
}

func setNames() error {
	return errors.Join(unix.Sethostname([]byte(Hostname)), unix.Setdomainname([]byte("(none)")))
}

// setLimits sets those that systemd gives to services, where the kernel's differ.
// https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html
func setLimits() error {
	return errors.Join(
		unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1024, Max: 524288}),
		unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: 8 << 20, Max: 8 << 20}))
}

// loopback switches the interface on. The kernel gives it its addresses then.
func loopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		return nil // a kernel without network
	}
	if err != nil {
		return fmt.Errorf("switch on lo: %w", err)
	}
	defer unix.Close(fd)
	ifreq, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifreq.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifreq); err != nil {
		return fmt.Errorf("switch on lo: %w", err)
	}
	return nil
}

// delegate lets groups below the root have the controllers that there are.
func delegate() error {
	const root = "/sys/fs/cgroup"
	text, err := os.ReadFile(root + "/cgroup.controllers")
	if err != nil {
		return nil // a kernel without them
	}
	for _, controller := range strings.Fields(string(text)) {
		_ = os.WriteFile(root+"/cgroup.subtree_control", []byte("+"+controller), 0) // some need more than others
	}
	return nil
}
