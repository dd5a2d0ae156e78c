// SPDX-License-Identifier: MIT

package vmtest

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/ringtwin/ringtwin/vmtest/elffiles"
)

var errNotFile = errors.New("neither a file nor a directory")

// files collects what a program brings along. They are read when a machine wants them.
type files struct {
	ctx  context.Context
	have map[string]bool // by path in the machine
	bundleOfFiles
}

// bundleOfFiles are files, and their size in bytes in a machine's memory.
type bundleOfFiles struct {
	all   []bundled
	bytes int64
}

// bundled is a file for a machine.
type bundled struct {
	path, source string
	info         fs.FileInfo
	link         string // target of a symbolic link
	data         []byte // in place of the source's
}

func newFiles(ctx context.Context) *files { return &files{ctx: ctx, have: map[string]bool{}} }

func (f *files) done() bundleOfFiles { return f.bundleOfFiles }

// add adds a file, a directory without its content, or a symbolic link. What else there is
// in a tree, as sockets, is left.
func (f *files) add(path, source string, info fs.FileInfo) error {
	if f.ctx.Err() != nil {
		return context.Cause(f.ctx)
	}
	if f.have[path] {
		return nil
	}
	b := bundled{path: path, source: source, info: info}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		var err error
		if b.link, err = os.Readlink(source); err != nil {
			return err
		}
	case !info.IsDir() && !info.Mode().IsRegular():
		return nil
	}
	f.have[path] = true
	f.all = append(f.all, b)
	f.bytes += (info.Size() + 4095) &^ 4095
	return nil
}

// addFile adds the file that a path leads to.
func (f *files) addFile(source, path string) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return f.addTreeAt(source, path, nil)
	}
	if !info.Mode().IsRegular() {
		return errNotFile
	}
	return f.add(path, source, info)
}

// addProgram adds a file, and if that is a program what it needs.
func (f *files) addProgram(source, path string) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if info.Mode()&0o111 != 0 && info.Mode().IsRegular() {
		needs, err := elffiles.Needs(source, runtime.GOARCH)
		if err != nil {
			return err
		}
		for _, need := range needs {
			if err := f.addFile(need.Source, need.Path); err != nil {
				return err
			}
		}
	}
	return f.addFile(source, path)
}

// addTree adds all below a directory, at the same path, but for what skip reports.
func (f *files) addTree(dir string, skip func(path string) bool) error {
	return f.addTreeAt(dir, dir, skip)
}

func (f *files) addTreeAt(dir, path string, skip func(path string) bool) error {
	// The directory itself may be reached through links.
	if info, err := os.Stat(dir); err != nil {
		return err
	} else if !info.IsDir() {
		return fmt.Errorf("%s is no directory", dir)
	}
	return filepath.WalkDir(dir+"/", func(source string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it has gone meanwhile
		}
		if err != nil {
			return err
		}
		source = filepath.Clean(source)
		if skip != nil && skip(source) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return f.add(filepath.Join(path, strings.TrimPrefix(source, filepath.Clean(dir))), source, info)
	})
}

// moduleRoot is the nearest directory above, or the directory itself, that has a go.mod;
// without any, the directory.
func moduleRoot(dir string) string {
	for root := dir; ; root = filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			return root
		}
		if root == filepath.Dir(root) {
			return dir
		}
	}
}

// addModule adds the tree of a module, without what git ignores. Test data may be ignored
// and is added.
func (f *files) addModule(root string) error {
	ignored := f.ignored(root)
	return f.addTree(root, func(path string) bool {
		name := filepath.Base(path)
		if name == ".git" {
			return true
		}
		return ignored[path] && name != "testdata" && !strings.Contains(path, "/testdata/")
	})
}

// ignored are the paths that git ignores below a directory; none without git.
func (f *files) ignored(root string) map[string]bool {
	cmd := exec.CommandContext(f.ctx, "git", "-C", root, "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")
	text, err := cmd.Output()
	if err != nil {
		return nil
	}
	ignored := map[string]bool{}
	for name := range bytes.SplitSeq(text, []byte{0}) {
		if len(name) > 0 {
			ignored[filepath.Join(root, string(name))] = true
		}
	}
	delete(ignored, root) // a module in an ignored directory is wanted nevertheless
	return ignored
}

// write writes the files as a tar archive.
func (b bundleOfFiles) write(to io.Writer) error {
	archive := tar.NewWriter(to)
	for _, file := range b.all {
		if err := file.write(archive); err != nil {
			return fmt.Errorf("bring along %s: %w", file.source, err)
		}
	}
	return archive.Close()
}

func (b *bundled) write(archive *tar.Writer) error {
	if b.data != nil {
		header := &tar.Header{Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(b.data))}
		if err := archive.WriteHeader(b.named(header)); err != nil {
			return err
		}
		_, err := archive.Write(b.data)
		return err
	}
	if !b.info.Mode().IsRegular() {
		header, err := tar.FileInfoHeader(b.info, b.link)
		if err != nil {
			return err
		}
		return archive.WriteHeader(b.named(header))
	}
	file, err := os.Open(b.source)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat() // it may have changed
	if err != nil {
		return err
	}
	header, err := tar.FileInfoHeader(info, "")
	if err != nil {
		return err
	}
	if err := archive.WriteHeader(b.named(header)); err != nil {
		return err
	}
	_, err = io.CopyN(archive, file, info.Size())
	return err
}

// named has the path in the machine, and no owner: the guest gives all to one user.
func (b *bundled) named(h *tar.Header) *tar.Header {
	h.Name = strings.TrimPrefix(b.path, "/")
	h.Uid, h.Gid, h.Uname, h.Gname = 0, 0, "", ""
	return h
}
