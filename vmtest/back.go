// SPDX-License-Identifier: MIT

package vmtest

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/vmtest/wire"
)

// destinations are the paths here of what is brought back, by its path in the machine.
type destinations map[string]destination

type destination struct {
	path string
	// user means that the user named it: it is missed if it is not there, and each kernel
	// has its own.
	user bool
}

// add has a file brought back to the same path.
func (d destinations) add(path string) {
	if _, ok := d[path]; !ok {
		d[path] = destination{path: path}
	}
}

// paths are those to fetch. The guest knows that of a core dump.
func (d destinations) paths() []string {
	paths := slices.Sorted(maps.Keys(d))
	return slices.DeleteFunc(paths, func(path string) bool { return path == wire.CorePath })
}

// destinations returns those that the user named, for a program that runs in a directory.
// Two files at one path, here or there, are an error.
func (p *Program) destinations(dir string) (destinations, error) {
	wanted, taken := destinations{}, map[string]bool{}
	if p.Core != "" {
		wanted[wire.CorePath] = destination{p.Core, true}
		taken[filepath.Clean(p.Core)] = true
	}
	for _, word := range p.Fetch {
		from, to, named := strings.Cut(word, "=")
		if !named {
			to = filepath.Base(from)
		}
		if !filepath.IsAbs(from) {
			from = filepath.Join(dir, from)
		}
		from = filepath.Clean(from)
		if _, ok := wanted[from]; ok {
			return nil, fmt.Errorf("--fetch %s: %s is fetched already", word, from)
		}
		if taken[filepath.Clean(to)] {
			return nil, fmt.Errorf("--fetch %s: another file is brought to %s; say where to, as in --fetch %s=FILE", word, to, from)
		}
		wanted[from], taken[filepath.Clean(to)] = destination{to, true}, true
	}
	return wanted, nil
}

// of is the destination of a path, or of the nearest directory above it that has one.
func (d destinations) of(path string) (from string, to destination, ok bool) {
	for from := path; ; from = filepath.Dir(from) {
		if to, ok := d[from]; ok {
			return from, to, true
		}
		if from == "/" {
			return "", destination{}, false
		}
	}
}

// returned writes what comes back.
type returned struct {
	packed *Packed
	named  func(string) string // of a file that the user named
	got    map[string]bool     // destinations
}

// read reads the archive.
func (r *returned) read(from io.Reader) error {
	archive := tar.NewReader(from)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			_, err := io.Copy(io.Discard, from)
			return err
		}
		if err == nil {
			err = r.write(header, archive)
		}
		if err != nil {
			return fmt.Errorf("bring back files: %w", err)
		}
	}
}

// write writes one file. It is nowhere but where something is wanted: what comes from a
// machine is not trusted.
func (r *returned) write(header *tar.Header, content io.Reader) error {
	path := filepath.Clean("/" + header.Name)
	if from, to, ok := r.packed.fetch.of(path); ok {
		r.got[from] = true
		target := to.path
		if to.user {
			target = r.named(target)
		}
		if path == from && header.Typeflag == tar.TypeReg {
			return writeReturned(filepath.Dir(target), filepath.Base(target), header, content)
		}
		return writeReturned(target, strings.TrimPrefix(strings.TrimPrefix(path, from), "/"), header, content)
	}
	if tree := r.packed.session.Tree; tree != "" && strings.HasPrefix(path, tree+"/") {
		return writeReturned(tree, strings.TrimPrefix(path, tree+"/"), header, content)
	}
	return fmt.Errorf("the guest sent %s, which nobody wanted", path)
}

// writeReturned writes a file below a directory, which links do not lead out of.
func writeReturned(dir, name string, header *tar.Header, content io.Reader) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if name == "" || name == "." {
		return nil // the directory itself
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	mode := fs.FileMode(header.Mode) & fs.ModePerm
	switch header.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, mode|0o700)
	case tar.TypeSymlink:
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return root.Symlink(header.Linkname, name)
	}
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Chmod(mode), file.Close())
}

// missing are the paths of files that the user named and the program has not left.
func (r *returned) missing() []string {
	var missing []string
	for from, to := range r.packed.fetch {
		if to.user && !r.got[from] && from != wire.CorePath {
			missing = append(missing, from)
		}
	}
	slices.Sort(missing)
	return missing
}
