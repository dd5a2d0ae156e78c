package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/session"
	"github.com/ringtwin/ringtwin/internal/need"
	"github.com/ringtwin/ringtwin/vmtest/initramfs"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// warmConfig is a machine of the real program on a kernel.
func warmConfig(t testing.TB, want string) machine.Config {
	t.Helper()
	need.Program(t, "qemu-system-x86_64")
	cache, err := cacheDir()
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := kernel.Resolver{Cache: kernel.Cache{Dir: cache}}.Find(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	files := []initramfs.File{{Name: "init", Mode: initramfs.Regular | 0o755, Data: self}}
	return machine.Config{Kernel: bundle.Image, Initramfs: archive(t, files), Console: filepath.Join(t.TempDir(), "boot.log")}.Defaults()
}

// probeOnce asks a machine the simplest question.
func probeOnce(ctx context.Context, m *machine.Machine) error {
	attach := bpf.AttachAuto
	return m.Do(ctx, session.Request{Probe: &attach}, time.Minute, func(json.RawMessage) error { return nil })
}

// TestWarm: machines made of a saved one are fresh and answer; a save that was
// damaged is never used.
func TestWarm(t *testing.T) {
	folder := t.TempDir()
	for _, want := range []string{"5.10", "7.3"} {
		t.Run(want, func(t *testing.T) {
			cfg := warmConfig(t, want)
			if _, err := machine.LoadWarm(folder, cfg, "v"); !os.IsNotExist(err) {
				t.Fatalf("nothing saved: %v", err)
			}
			warm, err := machine.SaveWarm(t.Context(), folder, cfg, "v", time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			defer warm.Close()
			for range 3 {
				begun := time.Now()
				m, err := warm.Start(filepath.Join(t.TempDir(), "console.log"))
				if err != nil {
					t.Fatal(err)
				}
				defer m.Kill()
				ready, err := m.AwaitReady(t.Context(), time.Minute)
				if err != nil {
					t.Fatal(err)
				}
				if ready != warm.Ready {
					t.Errorf("ready %+v, saved %+v", ready, warm.Ready)
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
		})
	}
}
