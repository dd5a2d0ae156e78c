// SPDX-License-Identifier: MIT

package guest

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ringtwin/ringtwin/vmtest/wire"
	"golang.org/x/sys/unix"
)

// tree are the files of a session: those that the program brings along, and those that it
// changes.
type tree struct {
	session wire.Session
	known   map[string]bool // what was brought along below the tree
	since   unix.Timespec   // what has changed later, the program has changed
	dirs    []*tar.Header   // whose times are set at the end
}

func newTree(s wire.Session) *tree { return &tree{session: s, known: map[string]bool{}} }

// unpack writes the files of an archive.
func (t *tree) unpack(from io.Reader) error {
	archive := tar.NewReader(bufio.NewReaderSize(from, 64<<10))
	buf := make([]byte, wire.SlotBytes)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := t.add(header, archive, buf); err != nil {
			return err
		}
	}
	for _, header := range t.dirs {
		if err := t.own(guestPath(header), header); err != nil {
			return err
		}
	}
	_, err := io.Copy(io.Discard, from) // up to the end of the stream
	return err
}

func guestPath(header *tar.Header) string { return filepath.Clean("/" + header.Name) }

func (t *tree) add(header *tar.Header, content io.Reader, buf []byte) error {
	path := guestPath(header)
	if t.session.Tree != "" && within(path, t.session.Tree) {
		t.known[path] = true
	}
	switch header.Typeflag {
	case tar.TypeDir:
		t.dirs = append(t.dirs, header)
		return os.MkdirAll(path, 0o755)
	case tar.TypeSymlink:
		if err := inParent(path, func() error { return os.Symlink(header.Linkname, path) }); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	case tar.TypeReg:
		if err := inParent(path, func() error { return writeFile(path, content, buf) }); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%s has type %q", path, header.Typeflag)
	}
	return t.own(path, header)
}

// inParent makes the directories above a path if they are missing.
func inParent(path string, do func() error) error {
	err := do()
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return do()
}

func writeFile(path string, content io.Reader, buf []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{file}, content, buf)
	return errors.Join(err, file.Close())
}

// own sets owner, mode and time of an entry.
func (t *tree) own(path string, header *tar.Header) error {
	if u := t.session.User; u != (wire.User{}) {
		if err := unix.Lchown(path, int(u.UID), int(u.GID)); err != nil {
			return &os.PathError{Op: "chown", Path: path, Err: err}
		}
	}
	if header.Typeflag != tar.TypeSymlink {
		if err := unix.Chmod(path, uint32(header.Mode)&0o7777); err != nil {
			return &os.PathError{Op: "chmod", Path: path, Err: err}
		}
	}
	at := unix.NsecToTimespec(header.ModTime.UnixNano())
	err := unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return &os.PathError{Op: "utimes", Path: path, Err: err}
	}
	return nil
}

func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// settle waits until the kernel's clock for files has advanced: it is not finer than its
// timer. What changes later has another time.
func (t *tree) settle() error {
	if t.session.Tree == "" {
		return nil
	}
	file, err := os.CreateTemp("/ringtwin", ".settle-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	var first unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &first); err != nil {
		return err
	}
	for stat := first; stat.Ctim == first.Ctim; time.Sleep(time.Millisecond) {
		if err := file.Chmod(0o600); err != nil {
			return err
		}
		if err := unix.Fstat(int(file.Fd()), &stat); err != nil {
			return err
		}
	}
	t.since = first.Ctim
	return nil
}

// back sends what is wanted, and reports what else has changed.
func (t *tree) back(to sink) (ended wire.Ended, err error) {
	buffered := bufio.NewWriterSize(to, wire.SlotBytes)
	archive := tar.NewWriter(buffered)
	fetch := t.session.Fetch
	if t.session.Core {
		fetch = append(slices.Clone(fetch), wire.CorePath)
	}
	for _, path := range fetch {
		if err := walk(path, func(path string, info fs.FileInfo) error { return send(archive, path, info) }); err != nil {
			return ended, err
		}
	}
	if t.session.Tree != "" {
		if err := t.changes(archive, &ended); err != nil {
			return ended, err
		}
	}
	return ended, errors.Join(archive.Close(), buffered.Flush(), to.end())
}

// walk is filepath.Walk for a path that may be missing, or vanish.
func walk(path string, visit func(string, fs.FileInfo) error) error {
	return filepath.Walk(path, func(path string, info fs.FileInfo, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return visit(path, info)
	})
}

// changes sends what the program has changed below the tree, and counts what is not sent.
func (t *tree) changes(archive *tar.Writer, ended *wire.Ended) error {
	left := func(path string) {
		if ended.Count++; len(ended.Changed) < wire.MaxChanged {
			ended.Changed = append(ended.Changed, path)
		}
	}
	err := walk(t.session.Tree, func(path string, info fs.FileInfo) error {
		was := t.known[path]
		delete(t.known, path)
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok || was && info.IsDir() || t.fetched(path) || stat.Ctim.Nano() <= t.since.Nano() {
			return nil
		}
		if t.keeps(path) {
			return send(archive, path, info)
		}
		if !info.IsDir() {
			left(path)
		}
		return nil
	})
	for path := range t.known { // what is left of it is gone
		left(path + " (removed)")
	}
	slices.Sort(ended.Changed)
	return err
}

// fetched reports whether a file has been sent, because it was named.
func (t *tree) fetched(path string) bool {
	return slices.ContainsFunc(t.session.Fetch, func(dir string) bool { return within(path, dir) })
}

// keeps reports whether a changed file is to be returned.
func (t *tree) keeps(path string) bool {
	if slices.Contains(t.session.Keep, "") {
		return true
	}
	relative, err := filepath.Rel(t.session.Tree, path)
	return err == nil && slices.ContainsFunc(strings.Split(relative, "/"), func(name string) bool {
		return slices.Contains(t.session.Keep, name)
	})
}

// send adds a file to the archive. What is neither a file, a directory nor a link is left.
func send(archive *tar.Writer, path string, info fs.FileInfo) error {
	link := ""
	var err error
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		if link, err = os.Readlink(path); err != nil {
			return err
		}
	case !info.IsDir() && !info.Mode().IsRegular():
		return nil
	}
	header, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	header.Name = strings.TrimPrefix(path, "/")
	if err := archive.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	// Who is left running may still write to it: its size is the one of the header.
	n, err := io.Copy(archive, io.LimitReader(file, header.Size))
	if err == nil && n < header.Size {
		_, err = io.CopyN(archive, zeros{}, header.Size-n)
	}
	return err
}

// zeros reads as zeros without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
