// SPDX-License-Identifier: MIT

// Package buildinfo identifies the program that runs: its version, the commit that it was
// built from, and its BPF objects.
//
// It does not query the host. It is safe for concurrent use.
package buildinfo

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"sync"
	"text/tabwriter"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/workload"
)

// Unknown stands for what a build does not record.
const Unknown = "unknown"

// Tool is what records state about the running program. The result is shared and must not
// be changed.
var Tool = sync.OnceValue(func() *record.Tool {
	info, _ := debug.ReadBuildInfo()
	return toolOf(info)
})

// toolOf reads it from the build information of the Go command, which may be nil.
func toolOf(info *debug.BuildInfo) *record.Tool {
	t := &record.Tool{Objects: objects()}
	if info == nil {
		return t
	}
	if info.Main.Version != "(devel)" {
		t.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			t.Commit = s.Value
		case "vcs.modified":
			t.Modified = s.Value == "true"
		}
	}
	return t
}

// objects identifies the files that are loaded into the kernel under test, and the load.
func objects() string {
	twins, load := bpf.Digest(), workload.Digest()
	sum := sha256.Sum256(append(twins[:], load[:]...))
	return hex.EncodeToString(sum[:8])
}

// Info describes the program to a person.
type Info struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Modified *bool  `json:"modified,omitempty"` // nil: not known
	Go       string `json:"go"`
	Objects  string `json:"objects"`
	QEMU     string `json:"qemu,omitempty"` // empty: not found
}

// InfoOf adds to a tool the version of QEMU, which is empty where there is none.
func InfoOf(t *record.Tool, qemu string) Info {
	i := Info{
		Version: cmp.Or(t.Version, Unknown), Commit: cmp.Or(t.Commit, Unknown),
		Go: runtime.Version(), Objects: t.Objects, QEMU: qemu,
	}
	if t.Commit != "" {
		i.Modified = &t.Modified
	}
	return i
}

// Write prints it, as a table or as JSON.
func (i Info) Write(w io.Writer, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(i)
	}
	tree := Unknown
	if i.Modified != nil {
		tree = "unmodified"
		if *i.Modified {
			tree = "modified"
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "ringtwin\t%s\ncommit\t%s\ntree\t%s\nGo\t%s\nobjects\t%s\nQEMU\t%s\n",
		i.Version, i.Commit, tree, i.Go, i.Objects, cmp.Or(i.QEMU, "not found"))
	return t.Flush()
}
