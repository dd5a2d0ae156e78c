// SPDX-License-Identifier: MIT

package machine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/ringtwin/ringtwin/vmtest/atomicfile"
	"github.com/ringtwin/ringtwin/vmtest/cachedir"
	"github.com/ringtwin/ringtwin/vmtest/flock"
	"github.com/ringtwin/ringtwin/vmtest/plugin"
	"github.com/ringtwin/ringtwin/vmtest/wire"
)

// Snapshot is the state of a machine that was booted to ready and saved. Any number of
// fresh machines can be restored from it. It may be used from several goroutines.
type Snapshot struct {
	Ready   wire.State
	Console []byte // what the kernel wrote until then

	dir   string
	cfg   Config
	state *os.File // unlinked names and replaced files do not change it
}

// warmInfo is stored beside the state, and written last: without it there is no snapshot.
type snapshotInfo struct {
	Key   string     `json:"key"`
	Sum   string     `json:"sum"` // of the state: see sumSparse
	Ready wire.State `json:"ready"`
}

// snapshotKey names everything that a snapshot depends on: the bytes of kernel and
// initramfs, QEMU, the host's CPU if the guest sees it, and every argument of the machine
// except the console's path.
func snapshotKey(cfg Config, version string) (string, error) {
	hash := sha256.New()
	for _, path := range []string{cfg.Kernel, cfg.Initramfs} {
		sum, err := sumFile(path)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(hash, sum)
	}
	fmt.Fprintln(hash, version)
	if cfg.Accel == KVM {
		cpu, err := os.ReadFile("/proc/cpuinfo")
		if err != nil {
			return "", err
		}
		fmt.Fprintln(hash, hostCPU(cpu))
	}
	cfg.Kernel, cfg.Initramfs, cfg.Console = "", "", ""
	fmt.Fprintln(hash, strings.Join(cfg.Args(), "\x00"))
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// hostCPU is the part of /proc/cpuinfo that a guest of KVM sees.
func hostCPU(cpuinfo []byte) string {
	var lines []string
	first, _, _ := strings.Cut(string(cpuinfo), "\n\n")
	for line := range strings.Lines(first) {
		for _, key := range []string{"model name", "stepping", "microcode", "flags"} {
			if strings.HasPrefix(line, key) {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
	}
	return strings.Join(lines, "\n")
}

func sumFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// Names of the files of a snapshot.
const (
	stateFile   = "state"
	consoleFile = "console.log"
	infoFile    = "snapshot.json"
)

// LoadSnapshot returns the snapshot of the configuration from a directory of snapshots.
// The state is read in full: one that is truncated, changed, or of another machine is an
// error, and never used.
func LoadSnapshot(saves string, cfg Config, version string) (*Snapshot, error) {
	key, err := snapshotKey(cfg, version)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(saves, key)
	text, err := os.ReadFile(filepath.Join(dir, infoFile))
	if err != nil {
		return nil, err
	}
	var info snapshotInfo
	if err := json.Unmarshal(text, &info); err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	if info.Key != key {
		return nil, errors.New("read snapshot: it is another's")
	}
	log, err := os.ReadFile(filepath.Join(dir, consoleFile))
	if err != nil {
		return nil, err
	}
	state, err := os.Open(filepath.Join(dir, stateFile))
	if err != nil {
		return nil, err
	}
	if got, err := sumSparse(state); err != nil || got != info.Sum {
		return nil, errors.Join(errors.New("read snapshot: it has changed since it was saved"), err, state.Close())
	}
	_ = cachedir.Use(dir) // fails for a read-only cache
	return &Snapshot{Ready: info.Ready, Console: log, dir: dir, cfg: cfg, state: state}, nil
}

// Keep stores what else is known of the machine beside the snapshot, and Kept returns it.
func (s *Snapshot) Keep(name string, data []byte) error {
	return atomicfile.Write(filepath.Join(s.dir, name), data)
}

// Kept returns what Keep stored.
func (s *Snapshot) Kept(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(s.dir, name))
}

// SaveSnapshot boots the machine of the configuration to ready, saves it in the directory
// and returns it. If several processes do so at once, one saves and all share it.
func SaveSnapshot(ctx context.Context, dir string, cfg Config, version string) (*Snapshot, error) {
	key, err := snapshotKey(cfg, version)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("save machine: %w", err)
	}
	unlock, err := flock.Lock(ctx, filepath.Join(filepath.Dir(dir), "locks", "snapshot-"+key), nil)
	if err != nil {
		return nil, fmt.Errorf("save machine: %w", err)
	}
	defer unlock()
	if snapshot, err := LoadSnapshot(dir, cfg, version); err == nil {
		return snapshot, nil
	}
	// Without a name, so that nothing is left of it if this process is killed.
	state, err := atomicfile.Create(dir)
	if err != nil {
		return nil, fmt.Errorf("save machine: %w", err)
	}
	defer state.Close()
	info, log, err := bootAndSave(ctx, cfg, state.File)
	if err != nil {
		return nil, err
	}
	info.Key = key
	if err := store(filepath.Join(dir, key), state, log, info); err != nil {
		return nil, fmt.Errorf("save machine: %w", err)
	}
	if err := cachedir.Prune(dir, maxSnapshotBytes); err != nil {
		return nil, err
	}
	return LoadSnapshot(dir, cfg, version)
}

// maxSnapshotBytes is what snapshots may take together: some fifty of them.
const maxSnapshotBytes = 6 << 30

// bootAndSave boots a machine to ready and writes its state to the file. It
// returns what is known of the state, and the console until then.
func bootAndSave(ctx context.Context, cfg Config, state *os.File) (info snapshotInfo, log []byte, err error) {
	m, err := Start(cfg)
	if err != nil {
		return info, nil, err
	}
	defer m.Kill()
	if info.Ready, err = m.AwaitReady(ctx); err != nil {
		return info, nil, err
	}
	if err := m.backend.save(m, state); err != nil {
		return info, nil, fmt.Errorf("save machine: %w", err)
	}
	m.Kill()
	if info.Sum, err = sumSparse(state); err != nil {
		return info, nil, fmt.Errorf("save machine: %w", err)
	}
	log, err = lastBytes(cfg.Console, min(m.log.size()-m.logStart, chunkBytes))
	if err != nil {
		return info, nil, fmt.Errorf("save machine: %w", err)
	}
	return info, log, nil
}

// store moves a snapshot to its directory, and replaces what is there.
func store(dir string, state *atomicfile.File, log []byte, info snapshotInfo) error {
	text, err := json.Marshal(info)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), ".new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	if err := errors.Join(
		state.Link(filepath.Join(temp, stateFile)),
		os.WriteFile(filepath.Join(temp, consoleFile), log, 0o644),
		os.WriteFile(filepath.Join(temp, infoFile), append(text, '\n'), 0o644),
	); err != nil {
		return err
	}
	return replaceDir(dir, temp)
}

// replaceDir puts temp in the place of dir, which may exist and be in use: processes that
// have its files open keep them.
func replaceDir(dir, temp string) error {
	if err := os.Rename(dir, temp+".old"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	err := os.Rename(temp, dir)
	if errors.Is(err, os.ErrExist) {
		err = nil // another process was first, with the same machine
	}
	return errors.Join(err, os.RemoveAll(temp+".old"))
}

// Close frees the state. Machines restored from it keep running.
func (s *Snapshot) Close() error { return s.state.Close() }

// Clone returns the same snapshot, to be closed by itself.
func (s *Snapshot) Clone() (*Snapshot, error) {
	state, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", s.state.Fd()))
	if err != nil {
		return nil, fmt.Errorf("reopen snapshot: %w", err)
	}
	other := *s
	other.state = state
	return &other, nil
}

// StartCounted is Start with a plugin that counts the machine's instructions.
func (s *Snapshot) StartCounted(console string, counts *plugin.Memory) (*Machine, error) {
	other := *s
	other.cfg.counts = counts
	return other.Start(console)
}

// Start restores a fresh machine. Its console is appended to a file that other machines
// of this kernel may have written to; an empty file first gets the kernel's output until
// ready. [Machine.AwaitReady] reports whether the machine runs.
func (s *Snapshot) Start(console string) (*Machine, error) {
	size, err := appendFile(console, nil)
	if err == nil && size == 0 {
		_, err = appendFile(console, s.Console)
	}
	if err != nil {
		return nil, fmt.Errorf("write console: %w", err)
	}
	// Its own open file: descriptors of one open file share the offset.
	state, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", s.state.Fd()))
	if err != nil {
		return nil, fmt.Errorf("reopen snapshot: %w", err)
	}
	defer state.Close()
	cfg := s.cfg
	cfg.Console = console
	return start(cfg, state)
}
