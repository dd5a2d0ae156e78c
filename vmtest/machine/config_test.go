// SPDX-License-Identifier: MIT

package machine

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestArgs(t *testing.T) {
	cfg := Config{Kernel: "/k/vmlinuz", Initramfs: "/k/init.cpio", Console: "/o/a,b.log", Append: "quiet"}.Defaults()
	want := []string{
		"qemu-system-x86_64",
		"-nodefaults", "-no-user-config", "-display", "none",
		"-machine", "pc",
		"-accel", "tcg,thread=single", "-cpu", "max",
		"-smp", "2", "-m", "512M",
		"-no-reboot",
		"-kernel", "/k/vmlinuz", "-initrd", "/k/init.cpio",
		"-chardev", "file,id=console,append=on,path=/o/a,,b.log", "-serial", "chardev:console",
		"-chardev", "stdio,id=control,signal=off", "-serial", "chardev:control",
		"-append", "clearcpuid=141 no_timer_check panic=-1 console=ttyS0 sysrq_always_enabled quiet",
	}
	if diff := cmp.Diff(want, cfg.Args()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestEmulationIsSingleThreaded: with a thread a CPU, attaching a tracepoint
// crashes guests.
func TestEmulationIsSingleThreaded(t *testing.T) {
	args := Config{Accel: TCG}.Defaults().Args()
	if !slices.Contains(args, "tcg,thread=single") {
		t.Errorf("%v", args)
	}
	args = Config{Accel: KVM, CPUs: 4, MemoryMiB: 256}.Defaults().Args()
	if got := strings.Join(args, " "); !strings.Contains(got, "-accel kvm -cpu host -smp 4 -m 256M") {
		t.Error(got)
	}
}

// TestVirtualArgs: by hand and for a save's name, nothing is of this process.
func TestVirtualArgs(t *testing.T) {
	args := strings.Join(Config{Virtual: true, CPUs: 1, Seed: 7}.Defaults().Args(), " ")
	for _, want := range []string{"-smp 1", "sleep=off,rr=record", "-seed 7", "panic=pause", "ringtwin.virtual"} {
		if !strings.Contains(args, want) {
			t.Errorf("no %s in %s", want, args)
		}
	}
	if strings.Contains(args, "/dev/fd") || strings.Contains(args, noTimerCheck) {
		t.Error(args)
	}
}

func TestCopySparse(t *testing.T) {
	data := make([]byte, 300<<10)
	data[0], data[200<<10], data[len(data)-1] = 1, 2, 3
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	from := filepath.Join(t.TempDir(), "from")
	if err := os.WriteFile(from, data, 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	copyBlock := func(at int64, data []byte) error {
		_, err := file.WriteAt(data, at)
		return err
	}
	if err := eachBlock(in, int64(len(data)), copyBlock); err != nil {
		t.Fatal(err)
	}
	sums := map[string]bool{}
	for _, f := range []*os.File{in, file} {
		sum, err := sumSparse(f)
		if err != nil {
			t.Fatal(err)
		}
		sums[sum] = true
	}
	if len(sums) != 1 {
		t.Errorf("a file and its sparse copy have the sums %v", sums)
	}
	got, err := os.ReadFile(file.Name())
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes of %d, %v", len(got), len(data), err)
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"plain-1.2_x/y:z,a=b": "plain-1.2_x/y:z,a=b",
		"":                    "''",
		"two words":           "'two words'",
		"don't":               `'don'\''t'`,
		"$HOME;rm":            "'$HOME;rm'",
	} {
		if got := quote(in); got != want {
			t.Errorf("%q became %s, want %s", in, got, want)
		}
	}
}
