// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/vmtest/fleet"
	"github.com/ringtwin/ringtwin/vmtest/initramfs"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// doctorCmd says what this machine can do.
type doctorCmd struct {
	JSON bool   `name:"json" help:"Write JSON."`
	QEMU string `name:"qemu" default:"qemu-system-x86_64" help:"The QEMU program." placeholder:"PROGRAM"`
}

// finding is what one part of the machine can do.
type finding struct {
	Part   string `json:"part"`
	OK     bool   `json:"ok"`
	Needed bool   `json:"needed"` // by the main job
	Found  string `json:"found"`
	Advice string `json:"advice,omitempty"` // what to do about it
}

// Run looks at every part. The exit code is 3 if the main job cannot run.
func (d *doctorCmd) Run(e *env) error {
	cache, err := cacheDir()
	if err != nil {
		return err
	}
	findings := []finding{
		d.qemu(e.ctx), d.program(), d.cache(cache), d.kernels(e.ctx, cache),
		d.source(e.ctx, cache, "mainline"), d.source(e.ctx, cache, "oci"), d.kvm(e.ctx, cache),
		d.size(), d.native(), d.vng(e.ctx),
		d.tool("clang", "clang-14", "only to change the BPF programs: scripts/setup.sh generate"),
	}
	if err := d.show(e.stdout, findings); err != nil {
		return err
	}
	for _, f := range findings {
		if f.Needed && !f.OK {
			return exitError(exitInfra)
		}
	}
	return nil
}

func (d *doctorCmd) show(w io.Writer, findings []finding) error {
	if d.JSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(findings)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range findings {
		state := "yes"
		if !f.OK {
			state = "no"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", f.Part, state, f.Found)
		if f.Advice != "" {
			fmt.Fprintf(t, "\t\t-> %s\n", f.Advice)
		}
	}
	return t.Flush()
}

func (d *doctorCmd) qemu(ctx context.Context) finding {
	f := finding{Part: "QEMU", Needed: true}
	version, err := machine.Version(ctx, d.QEMU)
	if err != nil {
		f.Found, f.Advice = firstLine(err), "scripts/setup.sh vmtest"
		return f
	}
	f.OK, f.Found = true, d.QEMU+" "+version
	return f
}

// program looks at this very program, and the libraries that it takes to boot.
func (d *doctorCmd) program() finding {
	f := finding{Part: "init", Needed: true}
	files, err := initramfs.Base()
	if err != nil {
		f.Found, f.Advice = firstLine(err), "make build makes a static program, which needs no libraries"
		return f
	}
	f.OK, f.Found = true, "this program is static: a machine boots it as it is"
	if paths := initramfs.LibraryPaths(files); len(paths) > 0 {
		f.Found = "a machine boots this program with " + strings.Join(paths, " ")
	}
	return f
}

func (d *doctorCmd) cache(dir string) finding {
	f := finding{Part: "cache", Needed: true, Found: dir}
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		var file *os.File
		if file, err = os.CreateTemp(dir, ".doctor-"); err == nil {
			err = errors.Join(file.Close(), os.Remove(file.Name()))
		}
	}
	if err != nil {
		f.Found, f.Advice = firstLine(err), "set another directory with RINGTWIN_CACHE"
		return f
	}
	f.OK = true
	return f
}

func (d *doctorCmd) kernels(ctx context.Context, cache string) finding {
	f := finding{Part: "kernels", Needed: true}
	refs, err := kernel.Resolver{Cache: kernel.Cache{Dir: cache}}.Resolve(ctx, "apt:all")
	if err != nil {
		f.Found, f.Advice = firstLine(err), "give a kernel by path: ringtwin vmtest ./vmlinuz"
		return f
	}
	var names []string
	for _, ref := range refs {
		names = append(names, strings.TrimPrefix(ref.Name, "apt:"))
	}
	f.OK, f.Found = true, "apt has "+strings.Join(names, " ")
	return f
}

// source asks whether a source on the Internet answers.
func (d *doctorCmd) source(ctx context.Context, cache, name string) finding {
	f := finding{Part: name}
	resolver := kernel.Resolver{Cache: kernel.Cache{Dir: cache}, Places: kernel.PlacesFromEnvironment()}
	refs, problems := resolver.List(ctx, runtime.GOARCH, name)
	if len(problems) > 0 {
		f.Found, f.Advice = firstLine(problems[0]), "other kernels than apt's need the Internet, or a mirror: see \"Any kernel\" in the README"
		return f
	}
	f.OK, f.Found = true, fmt.Sprintf("%d kernels", len(refs))
	return f
}

// kvm proves it with a kernel, as the main job does.
func (d *doctorCmd) kvm(ctx context.Context, cache string) finding {
	f := finding{Part: "KVM"}
	version, err := machine.Version(ctx, d.QEMU)
	if err != nil {
		f.Found = "not proved: no QEMU"
		return f
	}
	choice, err := proveKVM(ctx, d.QEMU, version, cache)
	if err != nil {
		f.Found = "not proved: " + firstLine(err)
		return f
	}
	f.OK, f.Found = choice.Accel == machine.KVM, choice.Reason
	if !f.OK {
		f.Advice = "machines are emulated: counts are as good, times are not for publishing"
		if errors.Is(accessKVM(), os.ErrPermission) {
			f.Advice = "add yourself to the group of /dev/kvm; until then " + f.Advice
		}
	}
	return f
}

func accessKVM() error {
	file, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return file.Close()
}

func proveKVM(ctx context.Context, qemu, version, cache string) (machine.Choice, error) {
	if !machine.MayUseKVM(version, cache) {
		return machine.ChooseAccel(ctx, machine.Config{}, version, cache), nil // it is known
	}
	refs, err := kernel.Resolver{Cache: kernel.Cache{Dir: cache}}.Resolve(ctx, "latest")
	if err != nil {
		return machine.Choice{}, err
	}
	bundle, err := kernel.Resolver{Cache: kernel.Cache{Dir: cache}}.Fetch(ctx, refs[0])
	if err != nil {
		return machine.Choice{}, err
	}
	archive, err := initramfs.Self(filepath.Join(cache, "initramfs"))
	if err != nil {
		return machine.Choice{}, err
	}
	temp, err := os.MkdirTemp("", "ringtwin-doctor-")
	if err != nil {
		return machine.Choice{}, err
	}
	defer os.RemoveAll(temp)
	cfg := machine.Config{QEMU: qemu, Kernel: bundle.Image, Initramfs: archive, Console: filepath.Join(temp, "console.log")}.Defaults()
	return machine.ChooseAccel(ctx, cfg, version, cache), nil
}

// size says how many machines fit.
func (d *doctorCmd) size() finding {
	f := finding{Part: "size", Needed: true}
	memory, err := fleet.AvailableMemory()
	if err != nil {
		f.Found = firstLine(err)
		return f
	}
	const one = 512<<20 + overheadBytes
	fit := memory / 10 * 8 / one
	f.OK = fit > 0
	f.Found = fmt.Sprintf("%d cores, %d MiB of memory available: %d machines of 512 MiB fit", runtime.NumCPU(), memory>>20, fit)
	if !f.OK {
		f.Advice = "--memory 128"
	}
	return f
}

// native says whether this very kernel can be traced.
func (d *doctorCmd) native() finding {
	f := finding{Part: "native BPF"}
	attach, err := bpf.ResolveAttach(vocab.AttachAuto)
	if err != nil {
		f.Found = firstLine(err)
		if os.Geteuid() != 0 {
			f.Found, f.Advice = "not as this user", "sudo, for ringtwin hello on this kernel"
		}
		return f
	}
	f.OK, f.Found = true, fmt.Sprintf("this kernel can be traced by %s", attach)
	return f
}

// vng looks for virtme-ng and what it needs.
func (d *doctorCmd) vng(ctx context.Context) finding {
	f := finding{Part: "virtme-ng"}
	version, err := machine.VNGVersion(ctx)
	if err != nil {
		f.Found, f.Advice = firstLine(err), "only for ringtwin vmtest --vm vng: scripts/setup.sh --vng"
		return f
	}
	f.OK, f.Found = true, "vng "+version
	return f
}

func (d *doctorCmd) tool(part, program, advice string) finding {
	path, err := exec.LookPath(program)
	if err != nil {
		return finding{Part: part, Found: program + " is not installed", Advice: advice}
	}
	return finding{Part: part, OK: true, Found: path}
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
