// SPDX-License-Identifier: MIT

package initramfs

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/vmtest/atomicfile"
	"github.com/ringtwin/ringtwin/vmtest/elffiles"
)

// tools are the programs that test suites start without asking whether they are there.
// Those that this system has are in a machine for programs, with their libraries.
var tools = strings.Fields(`
	awk base64 basename bash cat chgrp chmod chown chroot cmp comm cp cut date dd df diff dirname du
	echo env expr false find getconf getent grep groups head hostname id install ip kill ln logger ls
	md5sum mkdir mkfifo mknod mktemp more mount mountpoint mv nice nohup nproc nsenter od paste pgrep
	pkill printenv printf prlimit ps pwd readlink realpath rm rmdir sed seq setpriv setsid sh sha1sum
	sha256sum sleep sort split stat stdbuf strings stty sync sysctl tac tail taskset tar tee test
	timeout touch tr true truncate tty umount uname uniq unlink unshare users wc which whoami xargs yes`)

// Host writes an archive whose /init is the running program, as [Self] does, with what a
// machine for programs has beside, below a directory that becomes its root: tools and
// time zones of this system.
func Host(dir, root string) (string, error) {
	key, found := hostKey()
	if path, ok := recall(dir, key); ok {
		return path, nil
	}
	files, err := Base()
	if err != nil {
		return "", err
	}
	p := pack{}
	if err := p.addZones(filepath.Join(root, "usr/share/zoneinfo")); err != nil {
		return "", fmt.Errorf("pack time zones: %w", err)
	}
	for _, path := range found {
		if err := p.addTool(root, path); err != nil {
			return "", fmt.Errorf("pack %s: %w", path, err)
		}
	}
	path, err := keep(dir, append(files, p.files...))
	if err == nil {
		_ = remember(dir, key, path) // it is only faster
	}
	return path, err
}

// addTool adds a program to the directory for all of them, and what it needs. One that
// cannot run there is left out.
func (p *pack) addTool(root, path string) error {
	needs, err := elffiles.Needs(path, runtime.GOARCH)
	if err != nil {
		return nil
	}
	for _, need := range append(needs, elffiles.Need{Path: "/usr/bin/" + filepath.Base(path), Source: path}) {
		name := filepath.Join(root, merged(need.Path))
		if p.has(name) {
			continue
		}
		data, err := os.ReadFile(need.Source)
		if err != nil {
			return err
		}
		p.add(name, data)
	}
	return nil
}

// merged is a path in a root whose /bin, /lib and /sbin are links to those below /usr.
func merged(path string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch first {
	case "bin", "sbin", "lib", "lib32", "lib64":
		return filepath.Join("/usr", path)
	}
	return path
}

// hostKey names the state of all that an archive of [Host] is made of, without reading
// it. It returns the paths of the tools too.
func hostKey() (key string, found []string) {
	hash := sha256.New()
	add := func(path string) bool {
		info, err := os.Stat(path)
		if err != nil {
			return false
		}
		fmt.Fprintln(hash, path, info.Size(), info.ModTime().UnixNano())
		return true
	}
	add("/proc/self/exe")
	if self, err := os.Readlink("/proc/self/exe"); err == nil {
		fmt.Fprintln(hash, self)
	}
	add("/etc/ld.so.cache")
	add(systemZones)
	for _, tool := range tools {
		if path, err := exec.LookPath(tool); err == nil && add(path) {
			found = append(found, path)
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), found
}

// memo says which archive a state has led to.
type memo struct {
	Archive string `json:"archive"` // its name
	Sum     string `json:"sum"`     // its SHA-256, against damage
}

func memoPath(dir, key string) string { return filepath.Join(dir, "host-"+key+".json") }

// recall returns the archive that was made of the same state.
func recall(dir, key string) (string, bool) {
	text, err := os.ReadFile(memoPath(dir, key))
	var m memo
	if err != nil || json.Unmarshal(text, &m) != nil || m.Archive != filepath.Base(m.Archive) {
		return "", false
	}
	path := filepath.Join(dir, m.Archive)
	data, err := os.ReadFile(path)
	if err != nil || sumOf(data) != m.Sum {
		return "", false
	}
	return path, true
}

func remember(dir, key, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, err := json.Marshal(memo{filepath.Base(path), sumOf(data)})
	if err != nil {
		return err
	}
	return atomicfile.Write(memoPath(dir, key), append(text, '\n'))
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Tools are the programs that a machine for programs has, as far as this system has them.
func Tools() []string { return slices.Clone(tools) }
