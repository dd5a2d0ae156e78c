// SPDX-License-Identifier: MIT

// Command hostprobe prints what a test suite finds on a host: a line for each subject and
// thing, with its value, which is empty if it is not there. Arguments are programs to look
// for.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"strings"
	"syscall"
	"time"
)

func main() {
	print := func(subject, thing, value string) { fmt.Printf("%s\t%s\t%s\n", subject, thing, value) }
	mounts := map[string]string{}
	if file, err := os.Open("/proc/mounts"); err == nil {
		for lines := bufio.NewScanner(file); lines.Scan(); {
			fields := strings.Fields(lines.Text())
			mounts[fields[1]] = fields[2]
		}
	}
	for _, path := range []string{
		"/", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/hugepages", "/proc", "/run", "/sys", "/sys/fs/bpf", "/sys/fs/cgroup",
		"/sys/kernel/debug", "/sys/kernel/security", "/sys/kernel/tracing",
	} {
		print("file systems", path, mounts[path])
	}
	for _, path := range []string{"/root", "/tmp", "/var/tmp", "/run/lock", "/home", "/mnt", "/opt", "/srv", "/var/lib", "/var/log", "/boot"} {
		mode := ""
		if info, err := os.Stat(path); err == nil {
			mode = fmt.Sprintf("%#o", info.Sys().(*syscall.Stat_t).Mode&0o7777)
		}
		print("directories", path, mode)
	}
	for _, path := range []string{"/bin", "/lib", "/lib64", "/sbin", "/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/etc/mtab", "/var/run"} {
		to, _ := os.Readlink(path)
		print("links", path, to)
	}
	for _, name := range []string{
		"passwd", "group", "shadow", "hosts", "hostname", "resolv.conf", "nsswitch.conf", "host.conf", "services", "protocols", "os-release",
		"machine-id", "localtime", "timezone", "shells",
	} {
		print("/etc", name, there("/etc/"+name))
	}
	release := ""
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		release = strings.TrimSpace(string(text))
	}
	print("kernel", "/boot/config-RELEASE", there("/boot/config-"+release))
	for _, name := range []string{"root", "daemon", "bin", "nobody"} {
		id := ""
		if u, err := user.Lookup(name); err == nil {
			id = u.Uid + ":" + u.Gid
		}
		print("users", name, id)
	}
	for _, name := range []string{"HOME", "LANG", "LOGNAME", "PATH", "PWD", "SHELL", "USER"} {
		value := os.Getenv(name)
		if name == "PWD" && value != "" {
			value = "the current directory"
		}
		print("environment", name, value)
	}
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", "localhost:0"} {
		listens := ""
		if l, err := net.Listen("tcp", address); err == nil {
			listens = "yes"
			l.Close()
		}
		print("network", strings.TrimSuffix(address, ":0"), listens)
	}
	name, _ := os.Hostname()
	resolved, _ := net.LookupHost(name)
	print("network", "own name resolves", yes(len(resolved) > 0))
	for _, zone := range []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo"} {
		_, err := time.LoadLocation(zone)
		_, fileErr := os.Stat("/usr/share/zoneinfo/" + zone)
		print("time zones", zone, yes(err == nil && fileErr == nil))
	}
	const memlock = 8 // RLIMIT_MEMLOCK, which package syscall does not name
	for _, limit := range []struct {
		name   string
		number int
	}{{"open files", syscall.RLIMIT_NOFILE}, {"locked memory", memlock}, {"stack", syscall.RLIMIT_STACK}} {
		var l syscall.Rlimit
		_ = syscall.Getrlimit(limit.number, &l)
		value := "at most " + bound(l.Max)
		if limit.number != syscall.RLIMIT_NOFILE { // which Go raises for itself
			value = fmt.Sprintf("%d, %s", l.Cur, value)
		}
		print("limits", limit.name, value)
	}
	for _, program := range os.Args[1:] {
		path, _ := exec.LookPath(program)
		print("programs", program, path)
	}
}

func bound(n uint64) string {
	if int64(n) == -1 {
		return "unlimited"
	}
	return fmt.Sprint(n)
}

func there(path string) string {
	_, err := os.Stat(path)
	return yes(err == nil)
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return ""
}
