// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ringtwin/ringtwin/harness/session"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/internal/testkernels"
	"github.com/ringtwin/ringtwin/internal/testutils"
	"github.com/ringtwin/ringtwin/vmtest/initramfs"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// warmConfig is a machine of the real program on a kernel.
func snapshotConfig(t testing.TB, want string) machine.Config {
	t.Helper()
	testutils.QEMU(t)
	bundle := testkernels.Bundle(t, want, false)
	self, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	files := []initramfs.File{{Name: "init", Mode: initramfs.Regular | 0o755, Data: self}}
	return machine.Config{Kernel: bundle.Image, Initramfs: archive(t, files), Console: filepath.Join(t.TempDir(), "boot.log")}.Defaults()
}

// probeOnce sends a machine the simplest request.
func probeOnce(ctx context.Context, m *machine.Machine) error {
	attach := vocab.AttachAuto
	return m.Do(ctx, session.Request{Probe: &attach}, testutils.Limit, func(json.RawMessage) error { return nil })
}

// TestSnapshot: machines restored from a snapshot are fresh and answer; a snapshot that was
// damaged is never used.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, role := range []testkernels.Role{testkernels.Newest, testkernels.Usual} {
		t.Run(string(role), func(t *testing.T) {
			cfg := snapshotConfig(t, testkernels.Name(t, role))
			if _, err := machine.LoadSnapshot(dir, cfg, "v"); !os.IsNotExist(err) {
				t.Fatalf("nothing saved: %v", err)
			}
			snapshot, err := machine.SaveSnapshot(t.Context(), dir, cfg, "v")
			if err != nil {
				t.Fatal(err)
			}
			defer snapshot.Close()
			for range 3 {
				begun := time.Now()
				m, err := snapshot.Start(filepath.Join(t.TempDir(), "console.log"))
				if err != nil {
					t.Fatal(err)
				}
				defer m.Kill()
				ready, err := m.AwaitReady(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if ready != snapshot.Ready {
					t.Errorf("ready %+v, saved %+v", ready, snapshot.Ready)
				}
				took := time.Since(begun)
				if err := probeOnce(t.Context(), m); err != nil {
					t.Fatal(err)
				}
				if err := m.Stop(); err != nil {
					t.Error(err)
				}
				t.Logf("ready in %s, probed and off in %s", took, time.Since(begun))
			}
			if role == testkernels.Usual {
				damaged(t, dir, cfg)
			}
		})
	}
}

// damaged damages the snapshot in every way that a disk or a user may: each time it is
// rejected, and saving again repairs it.
func damaged(t *testing.T, dir string, cfg machine.Config) {
	t.Helper()
	saved := func() string {
		found, err := filepath.Glob(filepath.Join(dir, "*", "state"))
		if err != nil || len(found) == 0 {
			t.Fatalf("nothing saved: %v", err)
		}
		newest := found[0]
		for _, path := range found {
			if modified(t, path).After(modified(t, newest)) {
				newest = path
			}
		}
		return filepath.Dir(newest)
	}
	whole := filepath.Join(t.TempDir(), "whole")
	if err := os.CopyFS(whole, os.DirFS(saved())); err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func(dir string) error{
		"truncated": func(dir string) error { return os.Truncate(filepath.Join(dir, "state"), 1<<20) },
		"empty":     func(dir string) error { return os.Truncate(filepath.Join(dir, "state"), 0) },
		"one bit": func(dir string) error {
			file, err := os.OpenFile(filepath.Join(dir, "state"), os.O_RDWR, 0)
			if err != nil {
				return err
			}
			defer file.Close()
			b := make([]byte, 1)
			if _, err := file.ReadAt(b, 5<<20); err != nil {
				return err
			}
			b[0] ^= 0x10
			_, err = file.WriteAt(b, 5<<20)
			return err
		},
		"no state":       func(dir string) error { return os.Remove(filepath.Join(dir, "state")) },
		"half the notes": func(dir string) error { return os.Truncate(filepath.Join(dir, "snapshot.json"), 20) },
	} {
		dir := saved()
		if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(whole)), damage(dir)); err != nil {
			t.Fatal(err)
		}
		if snapshot, err := machine.LoadSnapshot(dir, cfg, "v"); err == nil {
			snapshot.Close()
			t.Errorf("%s: used", name)
		}
		if name != "truncated" {
			continue // one boot shows it
		}
		snapshot, err := machine.SaveSnapshot(t.Context(), dir, cfg, "v")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		snapshot.Close()
	}
	other := cfg
	other.MemoryMiB = 300
	for name, load := range map[string]func() (*machine.Snapshot, error){
		"another machine": func() (*machine.Snapshot, error) { return machine.LoadSnapshot(dir, other, "v") },
		"another QEMU":    func() (*machine.Snapshot, error) { return machine.LoadSnapshot(dir, cfg, "w") },
	} {
		if snapshot, err := load(); err == nil {
			snapshot.Close()
			t.Errorf("%s: used", name)
		}
	}
}

func modified(t *testing.T, path string) time.Time {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime()
}
