package machine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/ringtwin/ringtwin/vmtest/flock"
	"github.com/ringtwin/ringtwin/vmtest/guest"
	"github.com/ringtwin/ringtwin/vmtest/lru"
	"github.com/ringtwin/ringtwin/vmtest/whole"
)

// Warm is a machine that was booted to ready and saved, and of which any number
// of fresh machines can be made. It may be used from several goroutines.
type Warm struct {
	Ready   guest.Ready
	Console []byte // what the kernel wrote until then

	cfg   Config
	state *os.File // unlinked names and replaced files do not change it
}

// warmInfo is kept beside the state, and written last: without it there is no save.
type warmInfo struct {
	Key    string      `json:"key"`
	SHA256 string      `json:"sha256"` // of the state
	Size   int64       `json:"size"`
	Ready  guest.Ready `json:"ready"`
}

// warmKey names all that a saved machine depends on: the very bytes of kernel
// and initramfs, QEMU, the host's CPU where the guest sees it, and every
// argument of the machine. The console's path is none.
func warmKey(cfg Config, version string) (string, error) {
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

// hostCPU is what of /proc/cpuinfo a guest of KVM sees.
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
	return sum(file)
}

func sum(r io.Reader) (string, error) {
	hash := sha256.New()
	if _, err := io.Copy(hash, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// Names of the files of a save.
const (
	stateFile   = "state"
	consoleFile = "console.log"
	infoFile    = "warm.json"
)

// LoadWarm returns the saved machine of the configuration from a folder. The
// state is read in full: one that is truncated, changed, or of another machine
// is an error, and never used.
func LoadWarm(folder string, cfg Config, version string) (*Warm, error) {
	key, err := warmKey(cfg, version)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(folder, key)
	text, err := os.ReadFile(filepath.Join(dir, infoFile))
	if err != nil {
		return nil, err
	}
	var info warmInfo
	if err := json.Unmarshal(text, &info); err != nil {
		return nil, fmt.Errorf("read saved machine: %w", err)
	}
	if info.Key != key {
		return nil, errors.New("read saved machine: it is another's")
	}
	log, err := os.ReadFile(filepath.Join(dir, consoleFile))
	if err != nil {
		return nil, err
	}
	state, err := os.Open(filepath.Join(dir, stateFile))
	if err != nil {
		return nil, err
	}
	if got, err := sum(state); err != nil || got != info.SHA256 {
		return nil, errors.Join(errors.New("read saved machine: it has changed since it was saved"), err, state.Close())
	}
	_ = lru.Use(dir) // in vain where the cache is not ours to write
	return &Warm{Ready: info.Ready, Console: log, cfg: cfg, state: state}, nil
}

// SaveWarm boots the machine of the configuration to ready, saves it in the
// folder and returns it. Where others do so at once, one saves and all have the same.
func SaveWarm(ctx context.Context, folder string, cfg Config, version string) (*Warm, error) {
	key, err := warmKey(cfg, version)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("save machine: %w", err)
	}
	unlock, err := flock.Lock(ctx, filepath.Join(filepath.Dir(folder), "locks", "warm-"+key), nil)
	if err != nil {
		return nil, fmt.Errorf("save machine: %w", err)
	}
	defer unlock()
	if warm, err := LoadWarm(folder, cfg, version); err == nil {
		return warm, nil
	}
	// Without a name, so that nothing is left of it if this process is killed.
	state, err := whole.Create(folder)
	if err != nil {
		return nil, fmt.Errorf("save machine: %w", err)
	}
	defer state.Close()
	info, log, err := bootAndSave(ctx, cfg, state.File)
	if err != nil {
		return nil, err
	}
	info.Key = key
	if err := store(filepath.Join(folder, key), state, log, info); err != nil {
		return nil, fmt.Errorf("save machine: %w", err)
	}
	if err := lru.Prune(folder, maxWarmBytes); err != nil {
		return nil, err
	}
	return LoadWarm(folder, cfg, version)
}

// maxWarmBytes is what saved machines may take together: some fifty of them.
const maxWarmBytes = 6 << 30

// bootAndSave boots a machine to ready and writes its state to the file. It
// returns what is known of the state, and the console until then.
func bootAndSave(ctx context.Context, cfg Config, state *os.File) (info warmInfo, log []byte, err error) {
	m, err := Start(cfg)
	if err != nil {
		return info, nil, err
	}
	defer m.Kill()
	if info.Ready, err = m.AwaitReady(ctx); err != nil {
		return info, nil, err
	}
	save := m.monitor.save
	if cfg.Virtual {
		save = m.saveVirtual
	}
	if err := save(state); err != nil {
		return info, nil, fmt.Errorf("save machine: %w", err)
	}
	m.Kill()
	if info.SHA256, err = sum(io.NewSectionReader(state, 0, math.MaxInt64)); err != nil {
		return info, nil, fmt.Errorf("save machine: %w", err)
	}
	log, err = lastBytes(cfg.Console, min(m.log.size()-m.logStart, chunkBytes))
	if err != nil {
		return info, nil, fmt.Errorf("save machine: %w", err)
	}
	return info, log, nil
}

// store puts a saved machine into its folder, in the place of what is there.
func store(dir string, state *whole.File, log []byte, info warmInfo) error {
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

// replaceDir puts temp in the place of dir, which may be there and in use:
// whoever has its files open keeps them.
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

// Close frees the state. Machines that were made of it run on.
func (w *Warm) Close() error { return w.state.Close() }

// Start makes a fresh machine. Its console goes to a file that other machines
// of this kernel may have written to; if it is empty it begins with what the
// kernel wrote until ready. [Machine.AwaitReady] says whether it really runs.
func (w *Warm) Start(console string) (*Machine, error) {
	size, err := appendFile(console, nil)
	if err == nil && size == 0 {
		_, err = appendFile(console, w.Console)
	}
	if err != nil {
		return nil, fmt.Errorf("write console: %w", err)
	}
	// An open file of its own: the offset is shared by descriptors of one.
	state, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", w.state.Fd()))
	if err != nil {
		return nil, fmt.Errorf("reopen saved machine: %w", err)
	}
	defer state.Close()
	cfg := w.cfg
	cfg.Console = console
	return start(cfg, state)
}
