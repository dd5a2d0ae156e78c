// SPDX-License-Identifier: MIT

package machine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringtwin/ringtwin/internal/testutils"
)

// notAKernel is a machine whose image is text, which QEMU refuses.
func notAKernel(t *testing.T) Config {
	t.Helper()
	testutils.QEMU(t)
	dir := t.TempDir()
	for name, content := range map[string]string{"image": "this is text\n", "initramfs": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Config{
		Kernel: filepath.Join(dir, "image"), Initramfs: filepath.Join(dir, "initramfs"), Console: filepath.Join(dir, "console.log"),
		MemoryMiB: 64, CPUs: 1,
	}.Defaults()
}

func started(t *testing.T, cfg Config) *Machine {
	t.Helper()
	m, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Kill)
	return m
}

func TestNotAKernel(t *testing.T) {
	m := started(t, notAKernel(t))
	_, err := m.AwaitReady(t.Context())
	var f *Failure
	if !errors.As(err, &f) || f.Outcome != BootFailed {
		t.Fatalf("got %v, want %s", err, BootFailed)
	}
	report := f.Report()
	for _, part := range []string{"boot-failed", "QEMU said", "to repeat this machine", "qemu-system-x86_64", m.cfg.Kernel} {
		if !strings.Contains(report, part) {
			t.Errorf("report lacks %q:\n%s", part, report)
		}
	}
}

// TestDeadline: without a kernel QEMU waits forever; the deadline ends it.
func TestDeadline(t *testing.T) {
	cfg := waiting(t)
	cfg.Limits.Boot, cfg.Limits.Liveness = time.Millisecond, time.Second
	m := started(t, cfg)
	_, err := m.AwaitReady(t.Context())
	var f *Failure
	if !errors.As(err, &f) || f.Outcome != BootFailed || !errors.Is(err, errTimeout) || !errors.Is(err, errDead) {
		t.Fatalf("got %v, want a time-out", err)
	}
	gone(t, m)
}

func TestCancel(t *testing.T) {
	m := started(t, waiting(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := m.AwaitReady(ctx)
	var f *Failure
	if !errors.As(err, &f) || f.Outcome != Cancelled {
		t.Fatalf("got %v, want %s", err, Cancelled)
	}
	gone(t, m)
}

// waiting is a machine that QEMU loads and that never reports anything: its image has the
// header of a kernel and no code.
func waiting(t *testing.T) Config {
	t.Helper()
	cfg := notAKernel(t)
	image := make([]byte, 64<<10)
	image[0x1f1] = 4                                    // setup sectors
	copy(image[0x1fe:], []byte{0x55, 0xaa})             // boot flag
	copy(image[0x202:], "HdrS")                         // header magic
	copy(image[0x206:], []byte{0x0f, 0x02})             // protocol 2.15
	image[0x211] = 1                                    // loaded high
	copy(image[0x200:], []byte{0xeb, 0xfe})             // jump to itself
	copy(image[0x22c:], []byte{0xff, 0xff, 0xff, 0x7f}) // highest initramfs address
	if err := os.WriteFile(cfg.Kernel, image, 0o644); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// gone fails unless QEMU has ended.
func gone(t *testing.T, m *Machine) {
	t.Helper()
	testutils.Await(t, "the end of QEMU", m.ended)
}

func TestQEMUMissing(t *testing.T) {
	_, err := Start(Config{QEMU: "qemu-system-none", Console: filepath.Join(t.TempDir(), "console.log")}.Defaults())
	if err == nil || !strings.Contains(err.Error(), "scripts/setup.sh") {
		t.Errorf("got %v, want what to do", err)
	}
	if _, err := Version(t.Context(), "qemu-system-none"); err == nil || !strings.Contains(err.Error(), "scripts/setup.sh") {
		t.Errorf("got %v, want what to do", err)
	}
}

// TestProbeIsKept: the choice is read back for this boot and this QEMU only.
func TestProbeIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "kvm.json")
	Choice{Accel: TCG, path: path, result: &probeResult{Host: "boot 7.2", Reason: "because"}}.Keep()
	if r, ok := readProbe(path, "boot 7.2"); !ok || r.Works || r.Reason != "because" {
		t.Errorf("read %+v, %v", r, ok)
	}
	if _, ok := readProbe(path, "boot 8.0"); ok {
		t.Error("a probe of another QEMU was used")
	}
	if err := os.WriteFile(path, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, ok := readProbe(path, "boot 7.2"); ok {
		t.Error("half a file was used")
	}
}
