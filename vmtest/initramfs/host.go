// SPDX-License-Identifier: MIT

package initramfs

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Host writes an archive whose /init is the running program, as [Self] does, with what a
// machine for programs has beside: time zones, below a directory that becomes its root.
func Host(dir, root string) (string, error) {
	files, err := Base()
	if err != nil {
		return "", err
	}
	zones, err := zoneData(filepath.Join(root, "usr/share/zoneinfo"))
	if err != nil {
		return "", fmt.Errorf("pack time zones: %w", err)
	}
	return keep(dir, append(files, zones...))
}

// systemZones is where a system has its time zones.
const systemZones = "/usr/share/zoneinfo"

// zoneData are the files of the time zones, those of the system or those of Go. Without
// either there are none but UTC, which programs know without a file.
func zoneData(to string) ([]File, error) {
	if _, err := os.Stat(filepath.Join(systemZones, "UTC")); err == nil {
		return packZones(os.DirFS(systemZones), to)
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, nil
	}
	archive, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib/time/zoneinfo.zip"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	return packZones(archive, to)
}

// packZones packs compiled zones, and the lists of them.
func packZones(from fs.FS, to string) ([]File, error) {
	p := pack{}
	err := fs.WalkDir(from, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		// The same zones again, with leap seconds and without.
		if d.IsDir() && slices.Contains([]string{"posix", "right"}, path) {
			return fs.SkipDir
		}
		if d.IsDir() {
			return nil
		}
		file, err := from.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a link to what is not here
		}
		if err != nil {
			return err
		}
		defer file.Close()
		data, err := io.ReadAll(io.LimitReader(file, 1<<20))
		if err != nil {
			return err
		}
		if strings.HasPrefix(string(data), "TZif") || strings.HasSuffix(path, ".tab") {
			p.addMode(filepath.Join(to, path), 0o644, data)
		}
		return nil
	})
	return p.files, err
}
