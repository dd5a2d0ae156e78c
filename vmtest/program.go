// SPDX-License-Identifier: MIT

package vmtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/ringtwin/ringtwin/vmtest/wire"
)

// Program is a user's program, and what it finds in a machine.
type Program struct {
	// Path is that of an executable, which has the same path in the machine. Args are its
	// arguments.
	Path string
	Args []string
	// Env are variables, with a value or with their value here, beside those that
	// [Program.environment] sets.
	Env []string
	// Dir is a directory to bring along; the program starts in it. Default, for a test
	// binary of Go: the current one, and the whole module.
	Dir string
	// In are files to bring along: FILE, to the same path, or FILE=PATH.
	In []string
	// GOROOT brings Go's own sources along.
	GOROOT bool
	// Fetch are files and directories to bring back when the program has ended: PATH, or
	// PATH=FILE.
	Fetch []string
	// WriteBack brings all back that the program changes below its directory. A test
	// binary of Go brings back its profiles, and what it changes below testdata.
	WriteBack bool
	// Core is the destination of the core dump, if a signal ends the program and leaves
	// one.
	Core string
	// User runs the program.
	User wire.User
	// Modules of the kernel to load, by name; then Mounts and Sysctls.
	Modules []string
	Mounts  []wire.Mount
	Sysctls []wire.Setting
	// Timeout is how long the program may run.
	Timeout time.Duration
}

// isGoTest reports whether the program is a test binary of Go.
func (p *Program) isGoTest() bool {
	if strings.HasSuffix(p.Path, ".test") {
		return true
	}
	for _, arg := range p.Args {
		if strings.HasPrefix(arg, "-test.") {
			return true
		}
	}
	return false
}

// Packed is what a program brings along. It can be used for several machines.
type Packed struct {
	program *Program
	session wire.Session
	files   bundleOfFiles
	fetch   destinations
}

// Pack finds the files for a machine. An error is a mistake of the user, unless the
// context has ended.
func (p *Program) Pack(ctx context.Context) (*Packed, error) {
	path, err := p.find()
	if err != nil {
		return nil, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	packed := &Packed{program: p}
	s := &packed.session
	*s = wire.Session{
		Path: path, Args: append([]string{p.Path}, p.Args...), Dir: dir, User: p.User,
		Mounts: p.Mounts, Sysctls: p.Sysctls, Core: p.Core != "",
	}
	files := newFiles(ctx)
	if err := files.addProgram(path, path); err != nil {
		return nil, fmt.Errorf("%s: %w", p.Path, err)
	}
	for _, word := range p.In {
		from, to, named := strings.Cut(word, "=")
		if !named {
			to = from
		}
		if to, err = filepath.Abs(to); err == nil {
			err = files.addProgram(from, to)
		}
		if err != nil {
			return nil, fmt.Errorf("--in %s: %w", word, err)
		}
	}
	if err := p.packTree(files, s); err != nil {
		return nil, err
	}
	if s.Dir == dir && strings.Contains(p.Path, "/") {
		s.Path = p.Path // a script's $0 is what it was started as
	}
	if packed.fetch, err = p.destinations(s.Dir); err != nil {
		return nil, err
	}
	if p.isGoTest() {
		if err := p.packGoTest(files, packed); err != nil {
			return nil, err
		}
	}
	if p.GOROOT {
		if err := p.packGOROOT(files); err != nil {
			return nil, err
		}
	}
	s.Fetch = packed.fetch.paths()
	s.Env = p.environment(s.Dir)
	packed.files = files.done()
	return packed, ctx.Err()
}

// find returns the absolute path of the program. A name without a slash may be that of one
// in PATH.
func (p *Program) find() (string, error) {
	path := p.Path
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !strings.Contains(path, "/") {
		if path, err = exec.LookPath(path); err != nil {
			return "", fmt.Errorf("%s: there is no such file, here or in PATH", p.Path)
		}
	}
	return filepath.Abs(path)
}

// packTree brings the directory along in which the program starts.
func (p *Program) packTree(files *files, s *wire.Session) error {
	dir := p.Dir
	if dir == "" && !p.isGoTest() {
		return nil
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	s.Dir, s.Tree = dir, dir
	if p.Dir == "" {
		s.Tree = moduleRoot(dir)
	}
	if p.isGoTest() {
		s.Keep = []string{"testdata"}
	}
	if p.WriteBack {
		s.Keep = []string{""}
	}
	if p.Dir != "" {
		return files.addTree(s.Tree, nil)
	}
	return files.addModule(s.Tree)
}

// environment is what the program finds set: what a login sets, and variables of the Go
// runtime as they are here.
func (p *Program) environment(dir string) []string {
	home, user := "/root", "root"
	if p.User.UID != 0 {
		home, user = "/nonexistent", "nobody"
		if p.User.UID != Nobody {
			home, user = "/tmp", fmt.Sprint(p.User.UID)
		}
	}
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + home, "USER=" + user, "LOGNAME=" + user, "SHELL=/bin/sh", "LANG=C.UTF-8", "PWD=" + dir,
	}
	words := p.Env
	for _, name := range []string{"GODEBUG", "GOTRACEBACK", "GORACE", "GOMAXPROCS", "GOCOVERDIR", "TERM"} {
		if os.Getenv(name) != "" {
			words = append([]string{name}, words...)
		}
	}
	for _, word := range words {
		if !strings.Contains(word, "=") {
			word += "=" + os.Getenv(word)
		}
		env = append(env, word)
	}
	return env
}

// Nobody is the id of that user, and of its group.
const Nobody = 65534

// fresh is the session with what is different each time.
func (p *Packed) fresh() (wire.Session, error) {
	s := p.session
	random := make([]byte, 64)
	if _, err := rand.Read(random); err != nil {
		return s, err
	}
	s.Now, s.Entropy, s.Mark = time.Now().UnixNano(), random[:48], hex.EncodeToString(random[48:])
	return s, nil
}

// fits returns an error if the files do not fit a machine's memory.
func (p *Packed) fits(memoryMiB int) error {
	if need, most := p.files.bytes>>20, int64(memoryMiB)/2; need > most {
		return fmt.Errorf("%d MiB of files to bring along, and a VM of %d MiB has room for %d: give it more with --memory, or bring less with --dir",
			need, memoryMiB, most)
	}
	return nil
}
