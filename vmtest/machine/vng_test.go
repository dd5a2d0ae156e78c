// SPDX-License-Identifier: MIT

package machine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/internal/testkernels"
	"github.com/ringtwin/ringtwin/internal/testutils"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
)

func TestVNGArgs(t *testing.T) {
	cfg := Config{
		Kernel: "/k/my vmlinuz", Console: "/o/a,b.log", Append: "quiet nosmp",
		VNG: &VNG{Guest: []string{"/p/ring twin", "guest"}},
	}.Defaults()
	want := []string{
		"vng",
		"--run", "'/k/my vmlinuz'",
		"--exec", "'/p/ring twin' guest",
		"--cpus", "2", "--memory", "512M",
		"--force-9p", "--disable-microvm",
		"--disable-kvm",
		"--append=loglevel=7", "--append=sysrq_always_enabled", "--append=clearcpuid=141", "--append=no_timer_check", "--append=quiet nosmp",
		"--qemu-opts=-accel tcg,thread=single -cpu max" +
			" -set chardev.console.path=/o/a,b.log -set chardev.console.append=on -serial null",
	}
	if diff := cmp.Diff(want, cfg.Args()); diff != "" {
		t.Errorf("by hand (-want +got):\n%s", diff)
	}
	cfg.Accel, cfg.QEMU, cfg.portDir = KVM, "/q/qemu", "/t/d"
	args := strings.Join(cfg.Args(), " ")
	for _, text := range []string{
		" --qemu /q/qemu ",
		"-set chardev.console.path=/o/a,b.log -set chardev.console.append=on ",
		" -chardev socket,id=control,path=/t/d/control ", " -serial chardev:control ", " -mon chardev=monitor,mode=control",
	} {
		if !strings.Contains(args, text) {
			t.Errorf("no %q in %s", text, args)
		}
	}
	if strings.Contains(args, "tcg") || strings.Contains(args, "--disable-kvm") {
		t.Errorf("emulated with KVM: %s", args)
	}
}

func TestVNGBoots(t *testing.T) {
	const all = "CONFIG_VIRTIO_PCI=y\nCONFIG_NET_9P_VIRTIO=y\nCONFIG_9P_FS=y\nCONFIG_VIRTIO_CONSOLE=y\n"
	for name, test := range map[string]struct {
		config  string
		modules bool
		missing string // "" where it boots
	}{
		"built in":       {config: all},
		"modules":        {config: strings.ReplaceAll(all, "=y", "=m"), modules: true},
		"no modules":     {config: strings.ReplaceAll(all, "PCI=y", "PCI=m"), missing: "CONFIG_VIRTIO_PCI=m without the module ("},
		"no 9p":          {config: strings.ReplaceAll(all, "CONFIG_9P_FS=y", "# CONFIG_9P_FS is not set"), modules: true, missing: "CONFIG_9P_FS is not set ("},
		"nothing":        {config: "CONFIG_64BIT=y\n", missing: "CONFIG_VIRTIO_PCI is not set, CONFIG_NET_9P_VIRTIO is not set"},
		"not known here": {config: ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			config := ""
			if test.config != "" {
				config = filepath.Join(dir, "config")
				if err := os.WriteFile(config, []byte(test.config), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			modules := filepath.Join(dir, "lib", "modules", "6.1.0")
			if !test.modules {
				modules = filepath.Dir(modules) // those of another kernel
			}
			if err := os.MkdirAll(modules, 0o755); err != nil {
				t.Fatal(err)
			}
			err := VNGBoots(config, filepath.Join(dir, "boot", "vmlinuz"), "6.1.0")
			if test.missing == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var unsupported *UnsupportedError
			if !errors.As(err, &unsupported) || !strings.Contains(err.Error(), test.missing) {
				t.Errorf("got %v, want %q missing", err, test.missing)
			}
		})
	}
}

// madeByVNG is a machine of virtme-ng that waits for requests.
func madeByVNG(t *testing.T, b *kernel.Bundle) *Machine {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Kernel: b.Image, Console: filepath.Join(t.TempDir(), "console.log"), VNG: &VNG{Guest: []string{self, "guest"}},
	}.Defaults()
	m, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Kill)
	if _, err := m.AwaitReady(t.Context()); err != nil {
		var f *Failure
		if errors.As(err, &f) {
			t.Log(f.Report())
		}
		t.Fatal(err)
	}
	return m
}

// TestVNG: a machine of virtme-ng answers, its failures are classified like those of our
// own machines, and nothing of it is left. Booting takes half a minute: cmd/ringtwin's
// scripts cover how it ends and panics.
func TestVNG(t *testing.T) {
	testutils.Program(t, "vng")
	t.Setenv("TMPDIR", t.TempDir())
	m := madeByVNG(t, testkernels.Bundle(t, testkernels.Name(t, testkernels.Usual)+"+generic", true))
	if answers, err := do(t, m, "huge", testutils.Limit); err != nil || len(answers) != 1 || len(answers[0]) != 1<<20 {
		t.Errorf("a large answer: %d answers, %v", len(answers), err)
	}
	_, err := do(t, m, "stuck", time.Second)
	var f *Failure
	if !errors.As(err, &f) || f.Outcome != Timeout || !strings.Contains(err.Error(), "the kernel is alive") {
		t.Fatalf("got %v, want %s", err, Timeout)
	}
	if !strings.Contains(f.Report(), "\n  vng --run ") {
		t.Errorf("report:\n%s", f.Report())
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}
