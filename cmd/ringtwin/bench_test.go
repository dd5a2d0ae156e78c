// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ringtwin/ringtwin/internal/testutils"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/initramfs"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
	"github.com/ringtwin/ringtwin/vmtest/wire"
)

// make generate installs the pinned compiler and linker first.

//go:generate clang-14 --target=x86_64-linux-gnu -I/usr/include/x86_64-linux-gnu -O2 -Wall -Wextra -Werror -ffreestanding -fno-builtin -fno-stack-protector -fno-asynchronous-unwind-tables -static -nostdlib -fuse-ld=lld-14 -Wl,--build-id=none -Wl,-z,noseparate-code -Wl,-s -o testdata/init/init_amd64.elf testdata/init/init.c

// BenchmarkBoot compares, in turn, the cold boot of a machine to ready with the
// boot of the same kernel to an init of 1 KiB. The ratio is what the program
// costs.
func BenchmarkBoot(b *testing.B) {
	testutils.Program(b, "qemu-system-x86_64")
	cache, err := vmtest.CacheDir()
	if err != nil {
		b.Fatal(err)
	}
	bundle, err := kernel.Resolver{Cache: kernel.Cache{Dir: cache}}.Find(b.Context(), "6.1")
	if err != nil {
		b.Fatal(err)
	}
	self, err := os.ReadFile(program)
	if err != nil {
		b.Fatal(err)
	}
	ours := archive(b, []initramfs.File{{Name: "init", Mode: initramfs.Regular | 0o755, Data: self}})
	empty := archive(b, emptyInit(b))
	var oursTook, emptyTook time.Duration
	for b.Loop() {
		emptyTook += boot(b, bundle.Image, empty)
		oursTook += boot(b, bundle.Image, ours)
	}
	b.ReportMetric(oursTook.Seconds()/float64(b.N), "ready-sec/op")
	b.ReportMetric(emptyTook.Seconds()/float64(b.N), "empty-init-sec/op")
	b.ReportMetric(oursTook.Seconds()/emptyTook.Seconds(), "ready/empty-init")
	b.ReportMetric(0, "ns/op")
}

func emptyInit(b *testing.B) []initramfs.File {
	b.Helper()
	program, err := os.ReadFile("testdata/init/init_amd64.elf")
	if err != nil {
		b.Fatal(err)
	}
	var frame bytes.Buffer
	if err := wire.NewWriter(&frame).Write(wire.Ready, wire.State{Release: "empty", CPUs: 1}); err != nil {
		b.Fatal(err)
	}
	return []initramfs.File{
		{Name: "init", Mode: initramfs.Regular | 0o755, Data: program},
		{Name: "frame", Mode: initramfs.Regular | 0o644, Data: frame.Bytes()},
		{Name: "dev/ttyS1", Mode: initramfs.Character | 0o600, Major: 4, Minor: 65},
	}
}

func archive(b testing.TB, files []initramfs.File) string {
	b.Helper()
	files = append([]initramfs.File{
		{Name: "dev", Mode: initramfs.Directory | 0o755},
		{Name: "dev/console", Mode: initramfs.Character | 0o600, Major: 5, Minor: 1},
	}, files...)
	path := filepath.Join(b.TempDir(), "initramfs.cpio.lz4")
	if err := initramfs.WriteFile(path, files); err != nil {
		b.Fatal(err)
	}
	return path
}

// boot returns the time from the start of QEMU to ready.
func boot(b *testing.B, image, archive string) time.Duration {
	b.Helper()
	cfg := machine.Config{Kernel: image, Initramfs: archive, Console: filepath.Join(b.TempDir(), "console.log")}.Defaults()
	begun := time.Now()
	m, err := machine.Start(cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer m.Kill()
	if _, err := m.AwaitReady(b.Context()); err != nil {
		b.Fatal(err)
	}
	return time.Since(begun)
}

// BenchmarkSnapshot is the time from the start of QEMU to ready, of a machine that
// is restored from a snapshot.
func BenchmarkSnapshot(b *testing.B) {
	cfg := snapshotConfig(b, "6.1")
	snapshot, err := machine.SaveSnapshot(b.Context(), b.TempDir(), cfg, "bench")
	if err != nil {
		b.Fatal(err)
	}
	defer snapshot.Close()
	var took []time.Duration
	for b.Loop() {
		took = append(took, ready(b, snapshot))
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2].Seconds(), "ready-sec/median")
	b.ReportMetric(took[len(took)-1].Seconds(), "ready-sec/max")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkVNG compares, in turn, how long virtme-ng takes to run true with how
// long a restored machine of the same kernel takes to be ready to run anything.
func BenchmarkVNG(b *testing.B) {
	testutils.Program(b, "vng")
	cache, err := vmtest.CacheDir()
	if err != nil {
		b.Fatal(err)
	}
	// virtme-ng finds the modules beside the image.
	if _, err := (kernel.Resolver{Cache: kernel.Cache{Dir: cache}, Modules: true}).Find(b.Context(), "6.1+generic"); err != nil {
		b.Fatal(err)
	}
	cfg := snapshotConfig(b, "6.1+generic")
	snapshot, err := machine.SaveSnapshot(b.Context(), b.TempDir(), cfg, "bench")
	if err != nil {
		b.Fatal(err)
	}
	defer snapshot.Close()
	var ours, theirs time.Duration
	for b.Loop() {
		theirs += runVNG(b, cfg)
		ours += ready(b, snapshot)
	}
	b.ReportMetric(ours.Seconds()/float64(b.N), "ready-sec/op")
	b.ReportMetric(theirs.Seconds()/float64(b.N), "vng-true-sec/op")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "vng-true/ready")
	b.ReportMetric(0, "ns/op")
	if theirs < 20*ours {
		b.Errorf("a restored machine takes %s until ready, virtme-ng %s for true: not 20 times as long", ours, theirs)
	}
}

// runVNG returns how long true takes with virtme-ng, in the same machine as ours
// as far as it makes one. 9p is the faster root where its virtio-fs does not start.
func runVNG(b *testing.B, cfg machine.Config) time.Duration {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), "vng", "--run", cfg.Kernel, "--exec", "true", "--disable-kvm", "--force-9p",
		"--cpus", fmt.Sprint(cfg.CPUs), "--memory", fmt.Sprintf("%dM", cfg.MemoryMiB))
	begun := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return time.Since(begun)
}

// ready returns the time from the start of QEMU to ready.
func ready(b *testing.B, snapshot *machine.Snapshot) time.Duration {
	b.Helper()
	begun := time.Now()
	m, err := snapshot.Start(filepath.Join(b.TempDir(), "console.log"))
	if err != nil {
		b.Fatal(err)
	}
	defer m.Kill()
	if _, err := m.AwaitReady(b.Context()); err != nil {
		b.Fatal(err)
	}
	return time.Since(begun)
}
