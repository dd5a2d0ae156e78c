// SPDX-License-Identifier: MIT

package ringtwin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/initramfs"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// Finding is what one part of the machine can do.
type Finding struct {
	Part   string `json:"part"`
	OK     bool   `json:"ok"`
	Needed bool   `json:"needed"` // by the main job
	Found  string `json:"found"`
	Advice string `json:"advice,omitempty"` // what to do about it
}

// doctor looks at this machine.
type doctor struct {
	cfg  vmtest.Config
	host *vmtest.Host // nil: there is no QEMU
}

// Doctor checks what this machine can do, part by part.
func Doctor(ctx context.Context, cfg vmtest.Config) ([]Finding, error) {
	if cfg.Cache == "" {
		dir, err := vmtest.CacheDir()
		if err != nil {
			return nil, err
		}
		cfg.Cache = dir
	}
	d := &doctor{cfg: cfg}
	findings := []Finding{d.qemu(ctx), d.program(), d.cache(), d.kernels(ctx)}
	for _, source := range kernel.SourceNames()[1:] {
		findings = append(findings, d.source(ctx, source))
	}
	return append(findings, d.kvm(ctx), d.size(), d.native(), d.vng(ctx),
		d.tool("clang", "clang-14", "only to change the BPF programs: scripts/setup.sh generate")), nil
}

func (d *doctor) qemu(ctx context.Context) Finding {
	f := Finding{Part: "QEMU", Needed: true}
	host, err := vmtest.NewHost(ctx, d.cfg)
	if err != nil {
		f.Found, f.Advice = firstLine(err), "scripts/setup.sh vmtest"
		return f
	}
	d.host = host
	f.OK, f.Found = true, host.QEMU+" "+host.QEMUVersion()
	return f
}

// program checks this program, and the libraries that it needs to boot.
func (d *doctor) program() Finding {
	f := Finding{Part: "init", Needed: true}
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

func (d *doctor) cache() Finding {
	f := Finding{Part: "cache", Needed: true, Found: d.cfg.Cache}
	err := os.MkdirAll(d.cfg.Cache, 0o755)
	if err == nil {
		var file *os.File
		if file, err = os.CreateTemp(d.cfg.Cache, ".doctor-"); err == nil {
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

func (d *doctor) kernels(ctx context.Context) Finding {
	f := Finding{Part: "kernels", Needed: true}
	refs, err := kernel.Resolver{Cache: kernel.Cache{Dir: d.cfg.Cache}}.Resolve(ctx, "apt:all")
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

// source checks whether a source on the Internet answers.
func (d *doctor) source(ctx context.Context, name string) Finding {
	f := Finding{Part: name}
	resolver := kernel.Resolver{Cache: kernel.Cache{Dir: d.cfg.Cache}, Places: kernel.PlacesFromEnvironment()}
	refs, problems := resolver.List(ctx, runtime.GOARCH, name)
	if len(problems) > 0 {
		f.Found, f.Advice = firstLine(problems[0]), "other kernels than apt's need the Internet, or a mirror: see docs/kernels.md"
		return f
	}
	f.OK, f.Found = true, fmt.Sprintf("%d kernels", len(refs))
	return f
}

// kvm tests KVM with a kernel, as the main job does.
func (d *doctor) kvm(ctx context.Context) Finding {
	f := Finding{Part: "KVM"}
	if d.host == nil {
		f.Found = "not proved: no QEMU"
		return f
	}
	choice, err := d.host.ProveKVM(ctx)
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

// size reports how many machines fit.
func (d *doctor) size() Finding {
	f := Finding{Part: "size", Needed: true}
	fit, availableMiB, err := vmtest.Room(512)
	if err != nil {
		f.Found = firstLine(err)
		return f
	}
	f.OK = fit > 0
	f.Found = fmt.Sprintf("%d cores, %d MiB of memory available: %d machines of 512 MiB fit", runtime.NumCPU(), availableMiB, fit)
	if !f.OK {
		f.Advice = "--memory 128"
	}
	return f
}

// native reports whether the running kernel can be traced.
func (d *doctor) native() Finding {
	f := Finding{Part: "native BPF"}
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
func (d *doctor) vng(ctx context.Context) Finding {
	f := Finding{Part: "virtme-ng"}
	version, err := machine.VNGVersion(ctx)
	if err != nil {
		f.Found, f.Advice = firstLine(err), "only for ringtwin vmtest --vm vng: scripts/setup.sh --vng"
		return f
	}
	f.OK, f.Found = true, "vng "+version
	return f
}

func (d *doctor) tool(part, program, advice string) Finding {
	path, err := exec.LookPath(program)
	if err != nil {
		return Finding{Part: part, Found: program + " is not installed", Advice: advice}
	}
	return Finding{Part: part, OK: true, Found: path}
}

// WriteFindings writes them as a table or as JSON.
func WriteFindings(w io.Writer, findings []Finding, asJSON bool) error {
	if asJSON {
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
