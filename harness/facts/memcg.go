// SPDX-License-Identifier: MIT

package facts

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// memcgPages is much more than the 64 pages that a CPU keeps charged in advance, and may
// use up meanwhile. So half of it proves a charge.
// https://elixir.bootlin.com/linux/v6.12/source/mm/memcontrol.c
const memcgPages = 1024

// memcg is a memory cgroup of this process alone.
type memcg struct {
	t     *T
	usage string
}

// memcg creates a memory cgroup, of the version that the system has, and moves this
// process into it.
func (t *T) memcg() *memcg {
	root, usage := t.cgroups()
	dir, err := os.MkdirTemp(root, "ringtwin-facts-")
	t.must("make cgroup", err)
	t.after(func() error { return os.Remove(dir) })
	procs := func(of string) error {
		return os.WriteFile(filepath.Join(of, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0)
	}
	home := t.homeCgroup(root)
	t.after(func() error { return procs(home) })
	t.must("move to cgroup", procs(dir))
	return &memcg{t, filepath.Join(dir, usage)}
}

// cgroups returns a hierarchy with the memory controller, and the name of its usage file:
// the system's hierarchy of version 1, or one of version 2 that is mounted for the
// experiment.
func (t *T) cgroups() (root, usage string) {
	const v1 = "/sys/fs/cgroup/memory"
	if _, err := os.Stat(v1 + "/memory.usage_in_bytes"); err == nil {
		return v1, "memory.usage_in_bytes"
	}
	root = t.mount("cgroup2")
	err := os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+memory"), 0)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		t.cannot("no memory controller for cgroups")
	}
	t.must("enable memory controller", err)
	return root, "memory.current"
}

// homeCgroup is the cgroup of this process.
func (t *T) homeCgroup(root string) string {
	text, err := os.ReadFile("/proc/self/cgroup")
	t.must("read own cgroup", err)
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if parts[1] == "memory" || parts[1] == "" && !strings.HasSuffix(root, "/memory") {
			return filepath.Join(root, parts[2])
		}
	}
	t.cannot("this process is in no memory cgroup")
	return ""
}

func (g *memcg) bytes() int {
	text, err := os.ReadFile(g.usage)
	g.t.must("read cgroup", err)
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	g.t.must("read cgroup", err)
	return n
}
