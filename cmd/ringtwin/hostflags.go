// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/console"
	"github.com/ringtwin/ringtwin/vmtest/wire"
)

// hostFlags are what a program finds in a machine, and what is made of what happens
// there.
type hostFlags struct {
	As        string   `help:"User that runs the program: root, nobody, UID or UID:GID. Default: root." placeholder:"USER"`
	Mount     []string `help:"File system to mount. Repeatable." placeholder:"TYPE:PATH[:OPTIONS]" sep:"none"`
	Sysctl    []string `help:"Kernel parameter to set, as with sysctl. Repeatable." placeholder:"NAME=VALUE" sep:"none"`
	Module    []string `help:"Module of the kernel's own package to load, with what it needs. Repeatable." placeholder:"NAME"`
	GOROOT    bool     `name:"goroot" help:"Bring Go's sources and the go command along, to the same path."`
	WriteBack bool     `help:"Bring back every file that the program changes below its directory. Without, a Go test binary brings back its profiles and what it changes below testdata."`
	Allow     string   `help:"File of splats on the console to ignore, one per line: PATTERN # reason." placeholder:"FILE"`
}

// host sets up what the program finds, and returns the splats to ignore.
func (f *hostFlags) host(p *vmtest.Program) (allowed console.Allowed, err error) {
	if p.User, err = parseUser(f.As); err != nil {
		return nil, err
	}
	for _, word := range f.Mount {
		parts := strings.SplitN(word, ":", 3)
		if len(parts) < 2 || parts[0] == "" || !strings.HasPrefix(parts[1], "/") {
			return nil, fmt.Errorf("--mount %s: want TYPE:PATH[:OPTIONS], as in tmpfs:/mnt:size=10M", word)
		}
		mount := wire.Mount{Type: parts[0], Target: parts[1]}
		if len(parts) == 3 {
			mount.Options = parts[2]
		}
		p.Mounts = append(p.Mounts, mount)
	}
	for _, word := range f.Sysctl {
		name, value, found := strings.Cut(word, "=")
		if !found || name == "" {
			return nil, fmt.Errorf("--sysctl %s: want NAME=VALUE, as in kernel.unprivileged_bpf_disabled=0", word)
		}
		if !strings.Contains(name, "/") { // as sysctl(8) does
			name = strings.ReplaceAll(name, ".", "/")
		}
		p.Sysctls = append(p.Sysctls, wire.Setting{Name: name, Value: value})
	}
	p.Modules, p.GOROOT, p.WriteBack = f.Module, f.GOROOT, f.WriteBack
	return console.ReadAllowedFile(f.Allow)
}

// parseUser reads a user of the machine.
func parseUser(word string) (wire.User, error) {
	switch word {
	case "", "root":
		return wire.User{}, nil
	case "nobody":
		word = fmt.Sprint(vmtest.Nobody)
	}
	first, second, found := strings.Cut(word, ":")
	if !found {
		second = first
	}
	uid, err := strconv.ParseUint(first, 10, 32)
	gid, gidErr := strconv.ParseUint(second, 10, 32)
	if err != nil || gidErr != nil {
		return wire.User{}, fmt.Errorf("--as %s: want root, nobody, UID or UID:GID", word)
	}
	return wire.User{UID: uint32(uid), GID: uint32(gid)}, nil
}

// words are the flags again, for a command that runs exec.
func (f *hostFlags) words() ([]string, error) {
	words := []string{"--as=" + f.As, fmt.Sprintf("--goroot=%t", f.GOROOT), fmt.Sprintf("--write-back=%t", f.WriteBack)}
	for name, values := range map[string][]string{"mount": f.Mount, "sysctl": f.Sysctl, "module": f.Module} {
		for _, value := range values {
			words = append(words, "--"+name+"="+value)
		}
	}
	if f.Allow == "" {
		return words, nil
	}
	allow, err := filepath.Abs(f.Allow)
	return append(words, "--allow="+allow), err
}
