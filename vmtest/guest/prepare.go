// SPDX-License-Identifier: MIT

package guest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"github.com/ringtwin/ringtwin/vmtest/wire"
	"golang.org/x/sys/unix"
)

// catchUp tells a machine that was saved what has changed since: the time, and that its
// random numbers are not those of the other machines restored from the snapshot.
func catchUp(s wire.Session) error {
	now := unix.NsecToTimespec(s.Now)
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &now); err != nil {
		return fmt.Errorf("set clock: %w", err)
	}
	urandom, err := os.OpenFile("/dev/urandom", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("add entropy: %w", err)
	}
	defer urandom.Close()
	// struct rand_pool_info: entropy in bits, then bytes, and the bytes.
	// https://man7.org/linux/man-pages/man4/random.4.html
	info := binary.NativeEndian.AppendUint32(nil, uint32(8*len(s.Entropy)))
	info = binary.NativeEndian.AppendUint32(info, uint32(len(s.Entropy)))
	info = append(info, s.Entropy...)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, urandom.Fd(), unix.RNDADDENTROPY, uintptr(unsafe.Pointer(&info[0]))); errno != 0 {
		return fmt.Errorf("add entropy: %w", errno)
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, urandom.Fd(), reseed, 0); errno != 0 {
		return fmt.Errorf("add entropy: %w", errno)
	}
	return nil
}

// reseed is RNDRESEEDCRNG of linux/random.h.
const reseed = 0x5207

// prepare sets up what the user wants to be different.
func prepare(s wire.Session) error {
	// The kernel may have been told to keep warnings to itself.
	_ = os.WriteFile("/sys/module/printk/parameters/ignore_loglevel", []byte("Y"), 0)
	for _, path := range s.Modules {
		if err := loadModule(path); err != nil {
			return err
		}
	}
	for _, m := range s.Mounts {
		if err := mountOne(m); err != nil {
			return err
		}
	}
	for _, setting := range s.Sysctls {
		path := filepath.Join("/proc/sys", filepath.Clean("/"+setting.Name))
		if err := os.WriteFile(path, []byte(setting.Value), 0); err != nil {
			return fmt.Errorf("set sysctl: %w", err)
		}
	}
	if s.Core {
		return allowCore()
	}
	return nil
}

func loadModule(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("load module: %w", err)
	}
	defer file.Close()
	err = unix.FinitModule(int(file.Fd()), "", 0)
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("load module %s: %w", filepath.Base(path), err)
	}
	return nil
}

// mountFlags are the options that are not the file system's own.
var mountFlags = map[string]uintptr{
	"ro": unix.MS_RDONLY, "nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC,
	"noatime": unix.MS_NOATIME, "bind": unix.MS_BIND, "rbind": unix.MS_BIND | unix.MS_REC, "remount": unix.MS_REMOUNT,
	"shared": unix.MS_SHARED, "rshared": unix.MS_SHARED | unix.MS_REC, "private": unix.MS_PRIVATE,
}

// mountOne mounts what the user wants.
func mountOne(m wire.Mount) error {
	var flags uintptr
	var options []string
	for option := range strings.SplitSeq(m.Options, ",") {
		if flag, ok := mountFlags[option]; ok {
			flags |= flag
		} else if option != "" {
			options = append(options, option)
		}
	}
	if err := os.MkdirAll(m.Target, 0o755); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	if err := unix.Mount(m.Type, m.Target, m.Type, flags, strings.Join(options, ",")); err != nil {
		return fmt.Errorf("mount %s on %s: %w", m.Type, m.Target, err)
	}
	return nil
}

// allowCore makes the kernel write core dumps of programs started from now on.
// https://man7.org/linux/man-pages/man5/core.5.html
func allowCore() error {
	unlimited := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	err := errors.Join(
		unix.Setrlimit(unix.RLIMIT_CORE, &unlimited),
		os.WriteFile("/proc/sys/kernel/core_uses_pid", []byte("0"), 0),
		os.WriteFile("/proc/sys/kernel/core_pattern", []byte(wire.CorePath), 0))
	if err != nil {
		return fmt.Errorf("allow core dumps: %w", err)
	}
	return nil
}
