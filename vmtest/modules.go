// SPDX-License-Identifier: MIT

package vmtest

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ulikunitz/xz"
)

// modules are those of one kernel.
type modules struct {
	dir     string            // /lib/modules/RELEASE of its package
	release string            //
	paths   map[string]string // by name
	builtin map[string]bool
	order   []bundled // each after what it needs
	added   map[string]bool
}

// modulesOf finds those that are wanted, with what they need, in the order in which they
// are loaded. depmod(8) has not been run for the kernel: each module says itself what it
// needs.
func modulesOf(bundle *kernel.Bundle, names []string) ([]bundled, error) {
	if len(names) == 0 {
		return nil, nil
	}
	if bundle.Modules == "" {
		return nil, fmt.Errorf("module %s: there are no modules with kernel %s", names[0], bundle.Want)
	}
	m := &modules{dir: bundle.Modules, release: bundle.Release, paths: map[string]string{}, builtin: map[string]bool{}, added: map[string]bool{}}
	if err := m.list(); err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := m.add(name, ""); err != nil {
			return nil, err
		}
	}
	return m.order, nil
}

// moduleName is what a module is called, whatever its file is called: a hyphen is an
// underscore.
func moduleName(path string) (name string, ok bool) {
	name, _, ok = strings.Cut(filepath.Base(path), ".ko")
	return strings.ReplaceAll(name, "-", "_"), ok
}

func (m *modules) list() error {
	text, err := os.ReadFile(filepath.Join(m.dir, "modules.builtin"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := moduleName(strings.TrimSpace(line)); ok {
			m.builtin[name] = true
		}
	}
	return filepath.WalkDir(m.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name, ok := moduleName(path); ok && d.Type().IsRegular() {
			m.paths[name] = path
		}
		return nil
	})
}

// add adds a module after those that it needs.
func (m *modules) add(name, wantedBy string) error {
	name = strings.ReplaceAll(strings.TrimSuffix(name, ".ko"), "-", "_")
	if m.added[name] || m.builtin[name] {
		return nil
	}
	m.added[name] = true
	path := m.paths[name]
	if path == "" {
		by := ""
		if wantedBy != "" {
			by = ", which " + wantedBy + " needs"
		}
		return fmt.Errorf("module %s%s: kernel %s has none (another flavour may: 6.1-amd64)", name, by, m.release)
	}
	data, err := readModule(path)
	if err != nil {
		return fmt.Errorf("read module %s: %w", name, err)
	}
	needs, err := moduleNeeds(data)
	if err != nil {
		return fmt.Errorf("read module %s: %w", name, err)
	}
	for _, need := range needs {
		if err := m.add(need, name); err != nil {
			return err
		}
	}
	relative, err := filepath.Rel(m.dir, path)
	if err != nil {
		return err
	}
	before, _, _ := strings.Cut(relative, ".ko")
	m.order = append(m.order, bundled{path: filepath.Join("/lib/modules", m.release, before+".ko"), source: path, data: data})
	return nil
}

// maxModule bounds what a compressed module may be.
const maxModule = 256 << 20

// readModule reads a module, which may be compressed.
func readModule(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var from io.Reader = file
	switch filepath.Ext(path) {
	case ".xz":
		from, err = xz.NewReader(file)
	case ".gz":
		from, err = gzip.NewReader(file)
	case ".zst":
		var decoder *zstd.Decoder
		if decoder, err = zstd.NewReader(file); err == nil {
			defer decoder.Close()
			from = decoder
		}
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(from, maxModule))
}

// moduleNeeds are the modules that a module says it depends on.
func moduleNeeds(module []byte) ([]string, error) {
	file, err := elf.NewFile(bytes.NewReader(module))
	if err != nil {
		return nil, err
	}
	section := file.Section(".modinfo")
	if section == nil {
		return nil, errors.New("it has no .modinfo")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	for field := range bytes.SplitSeq(info, []byte{0}) {
		if list, ok := bytes.CutPrefix(field, []byte("depends=")); ok && len(list) > 0 {
			return strings.Split(string(list), ","), nil
		}
	}
	return nil, nil
}
