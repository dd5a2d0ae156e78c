// SPDX-License-Identifier: MIT

package vmtest

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// goFlag is how a flag of a test binary names files.
type goFlag int

const (
	goProfile goFlag = iota + 1 // a file that it writes, relative to outputdir
	goOutput                    // a directory that it writes to, which has to exist
	goBoth                      // a directory that it also reads
)

// goFlags are the flags of a test binary that name files, without "-test.".
// https://pkg.go.dev/cmd/go#hdr-Testing_flags
var goFlags = map[string]goFlag{
	"blockprofile": goProfile, "coverprofile": goProfile, "cpuprofile": goProfile, "memprofile": goProfile,
	"mutexprofile": goProfile, "trace": goProfile, "testlogfile": goProfile,
	"gocoverdir": goOutput, "outputdir": goOutput,
	"fuzzcachedir": goBoth,
}

// packGoTest brings along what the flags of a test binary name, and has it brought back.
func (p *Program) packGoTest(files *files, packed *Packed) error {
	values := map[string]string{}
	for i, arg := range p.Args {
		name, value, given := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
		name, is := strings.CutPrefix(name, "test.")
		if !is || !strings.HasPrefix(arg, "-") {
			continue
		}
		if !given && i+1 < len(p.Args) {
			value = p.Args[i+1]
		}
		values[name] = value
	}
	dir := packed.session.Dir
	at := func(dir, path string) string {
		if filepath.IsAbs(path) {
			return filepath.Clean(path)
		}
		return filepath.Join(dir, path)
	}
	output := dir
	if values["outputdir"] != "" {
		output = at(dir, values["outputdir"])
	}
	if _, ok := values["artifacts"]; ok {
		packed.fetch.add(filepath.Join(output, "_artifacts"))
	}
	for name, kind := range goFlags {
		value := values[name]
		if value == "" {
			continue
		}
		path := at(dir, value)
		if kind == goProfile {
			path = at(output, value)
			if err := files.addDir(filepath.Dir(path)); err != nil {
				return err
			}
			packed.fetch.add(path)
			continue
		}
		if err := files.addDir(path); err != nil {
			return err
		}
		if kind == goBoth {
			if err := files.addTree(path, nil); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		if name != "outputdir" {
			packed.fetch.add(path)
		}
	}
	if cover := os.Getenv("GOCOVERDIR"); cover != "" {
		packed.fetch.add(at(dir, cover))
	}
	return nil
}

// addDir adds a directory without its content. One that is missing here is missing there.
func (f *files) addDir(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.add(path, path, info)
}

// packGOROOT brings Go's sources, the go command and its tools along, at the same path.
func (p *Program) packGOROOT(files *files) error {
	text, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return errors.New("--goroot: go env GOROOT: Go has to be installed: https://go.dev/dl")
	}
	root := strings.TrimSpace(string(text))
	p.Env = append([]string{"GOROOT=" + root}, p.Env...)
	return files.addTree(root, func(path string) bool {
		relative := strings.TrimPrefix(path, root+"/")
		first, rest, _ := strings.Cut(relative, "/")
		switch first {
		case "api", "doc", "misc", "test", ".git":
			return path != root
		case "pkg": // without what the go command makes again
			second, _, _ := strings.Cut(rest, "/")
			return second != "" && second != "tool" && second != "include"
		}
		return false
	})
}
