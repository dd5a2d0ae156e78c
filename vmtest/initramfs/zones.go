// SPDX-License-Identifier: MIT

package initramfs

import (
	"archive/zip"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// systemZones is where a system has its time zones.
const systemZones = "/usr/share/zoneinfo"

// addZones adds the time zones of the system, or those of Go. Without either there are
// none but UTC, which programs know without a file.
func (p *pack) addZones(to string) error {
	if _, err := os.Stat(filepath.Join(systemZones, "UTC")); err == nil {
		return p.addZonesFrom(os.DirFS(systemZones), to)
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil
	}
	archive, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib/time/zoneinfo.zip"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer archive.Close()
	return p.addZonesFrom(archive, to)
}

// addZonesFrom adds compiled zones, and the lists of them.
func (p *pack) addZonesFrom(from fs.FS, to string) error {
	return fs.WalkDir(from, ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{"posix", "right"}, path):
			return fs.SkipDir // the same zones again, with leap seconds and without
		case d.IsDir():
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
}
