// SPDX-License-Identifier: MIT

package bpf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Config is the map of a twin that holds a message for each uid. It may be used
// while the program runs, from another process too if it is pinned.
type Config struct{ *ebpf.Map }

// Errors of [Config.Pin] and [OpenConfig].
var (
	ErrNoBPFFS = errors.New("no BPF file system")
	ErrPinned  = errors.New("something is pinned there already")
)

// SetMessage changes what the running program sends for a uid from now on.
func (c *Config) SetMessage(uid uint32, text string) error {
	message, err := NewMessage(text)
	if err != nil {
		return err
	}
	if err := c.Put(uid, message); err != nil {
		return fmt.Errorf("set message of uid %d: %w", uid, err)
	}
	return nil
}

// Pin pins the map at a path of a BPF file system, and creates the directory. The result
// removes both, the directory only if it is empty. The error wraps [ErrNoBPFFS] or
// [ErrPinned].
func (c *Config) Pin(path string) (unpin func() error, err error) {
	if err := OnBPFFS(path); err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	made := []string{dir} // the innermost first, which another tracer may have made
	for d := filepath.Dir(dir); errors.Is(unix.Access(d, unix.F_OK), unix.ENOENT); d = filepath.Dir(d) {
		made = append(made, d)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of pin: %w", err)
	}
	if err := c.Map.Pin(path); errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("pin %s: %w", path, ErrPinned)
	} else if err != nil {
		return nil, fmt.Errorf("pin %s: %w", path, err)
	}
	return func() error {
		if err := c.Unpin(); err != nil {
			return fmt.Errorf("remove pin: %w", err)
		}
		for _, d := range made {
			_ = unix.Rmdir(d) // others may be in it, or it is where the file system is mounted
		}
		return nil
	}, nil
}

// OnBPFFS checks the nearest existing directory above a path. The error wraps
// [ErrNoBPFFS] if it is in another file system.
func OnBPFFS(path string) error {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		var fs unix.Statfs_t
		err := unix.Statfs(dir, &fs)
		switch {
		case errors.Is(err, unix.ENOENT) && dir != filepath.Dir(dir):
			continue
		case err != nil:
			return &os.PathError{Op: "look at", Path: dir, Err: err}
		case fs.Type != unix.BPF_FS_MAGIC:
			return fmt.Errorf("pin %s: %w: %s is none; as root: mount -t bpf bpf /sys/fs/bpf", path, ErrNoBPFFS, dir)
		}
		return nil
	}
}

// OpenConfig opens the map that a running twin has pinned. Close it after use.
func OpenConfig(path string) (*Config, error) {
	m, err := OpenPin(path)
	if err != nil {
		return nil, err
	}
	if m.KeySize() != 4 || m.ValueSize() != TextBytes || m.Type() != ebpf.Hash {
		return nil, errors.Join(fmt.Errorf("%s is no map of messages: %v", path, m), m.Close())
	}
	return &Config{m}, nil
}

// OpenPin opens any pinned map. The error wraps [ErrNoBPFFS] or [os.ErrNotExist].
func OpenPin(path string) (*ebpf.Map, error) {
	if err := OnBPFFS(path); err != nil {
		return nil, err
	}
	m, err := ebpf.LoadPinnedMap(path, nil)
	if err != nil {
		return nil, fmt.Errorf("open pinned map %s: %w", path, err)
	}
	return m, nil
}
