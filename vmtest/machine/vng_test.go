package machine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
		"--append=loglevel=7", "--append=sysrq_always_enabled", "--append=quiet nosmp",
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
		"-set chardev.console.backend=socket -set chardev.console.path=/t/d/console -set chardev.console.logfile=/o/a,b.log -set chardev.console.logappend=on ",
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
