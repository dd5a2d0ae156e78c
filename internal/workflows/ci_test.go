// SPDX-License-Identifier: MIT

package workflows

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ringtwin/ringtwin/internal/mirrors"
	"github.com/ringtwin/ringtwin/internal/testkernels"
	"github.com/ringtwin/ringtwin/vmtest/machine"
)

// short is a measurement that takes seconds in an emulated VM.
const short = "--plan gate --clock virtual --set events=2000"

// TestCI runs the workflow of this repository on kernels that are named by their source,
// and then applies a gate to what it has measured.
func TestCI(t *testing.T) {
	t.Parallel()
	usual := needs(t)[testkernels.Usual]
	store := t.TempDir()
	l := run{
		workflow: "ci.yml", event: "workflow_dispatch", store: store, env: mainline(t, "6.5.13"),
		inputs: map[string]string{"kernels": "apt:" + usual + " mainline:6.5", "vmtest": short, "facts": "--only wedge"},
	}.execute(t)
	l.mustBe(t, map[string]string{
		"build": success, "vmtest apt:" + usual: success, "vmtest mainline:6.5": success, "report": success, "result": success,
	})
	l.check(t, "ci")
	for _, name := range []string{
		"report/report.html", "report/junit.xml", "report/results.jsonl",
		"vmtest-mainline_6.5/results.jsonl", "facts-mainline_6.5/facts.json", "facts-apt_" + usual + "/facts.xml",
	} {
		if info, err := os.Stat(filepath.Join(store, "artifacts", name)); err != nil || info.Size() == 0 {
			t.Errorf("%s is not published: %v", name, err)
		}
	}
	t.Run("gate", func(t *testing.T) {
		gate(t, "apt:"+usual, filepath.Join(store, "artifacts", "vmtest-apt_"+usual, "results.jsonl"))
	})
}

// gate measures a program that takes more instructions for each event than the baseline.
func gate(t *testing.T, kernel, baseline string) {
	l := run{repository: foreign(t), workflow: "action.yml", event: "workflow_dispatch", inputs: map[string]string{
		"kernels": kernel, "version": program, "run": "vmtest " + short + " --set fault=work=1",
		"baseline": baseline, "gates": "instructions_per_event<=0.5%\nmemory_bytes<=0%",
	}}.execute(t)
	l.mustBe(t, map[string]string{"test": failure})
	l.check(t, "action-gate")
}

// TestForeign runs the tests of a foreign repository on three kernels, a job for each,
// whose results are merged.
func TestForeign(t *testing.T) {
	t.Parallel()
	names := needs(t)
	want, kernels := map[string]string{"plan": success, "report": success, "result": success}, ""
	for _, role := range roles {
		kernels += names[role] + " "
		want["kernel "+names[role]] = success
	}
	l := run{repository: foreign(t), workflow: "kernels.yml", event: "workflow_dispatch", inputs: map[string]string{
		"kernels": kernels, "run": "go test ./...", "before": "go vet ./...", "version": program,
	}}.execute(t)
	l.mustBe(t, want)
	l.check(t, "foreign")
}

// TestKVMIsNotUsed: a machine that has KVM, and cannot use it, warns.
func TestKVMIsNotUsed(t *testing.T) {
	t.Parallel()
	usual := needs(t)[testkernels.Usual]
	device := filepath.Join(t.TempDir(), "kvm")
	if err := os.WriteFile(device, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l := run{repository: foreign(t), workflow: "action.yml", event: "workflow_dispatch", path: withoutKVM(t), env: []string{"KVM_DEVICE=" + device}, inputs: map[string]string{
		"kernels": usual, "run": "go test ./...", "version": program,
	}}.execute(t)
	l.mustBe(t, map[string]string{"test": success})
	l.check(t, "kvm-is-not-used")
}

// withoutKVM is a directory with a QEMU that cannot use KVM, whatever this machine has.
func withoutKVM(t *testing.T) string {
	t.Helper()
	real, err := exec.LookPath(machine.DefaultQEMU)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script := "#!/bin/sh\ncase \"$*\" in *'-accel kvm'*) echo 'failed to initialize kvm: as asked' >&2; exit 1 ;; esac\nexec '" + real + "' \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, machine.DefaultQEMU), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// mainline is the environment for a mirror of mainline builds with one version.
func mainline(t *testing.T, version string) []string {
	t.Helper()
	bundle := testkernels.Bundle(t, needs(t)[testkernels.Usual], false)
	image, err := os.ReadFile(bundle.Image)
	if err != nil {
		t.Fatal(err)
	}
	key := mirrors.NewKey(t)
	mirror := mirrors.NewMainline(t, key)
	mirror.Add(t, version, image, []byte("CONFIG_HZ=250\n"))
	return []string{"RINGTWIN_MAINLINE=" + mirror.URL, "RINGTWIN_MAINLINE_KEY=" + key.Public(t)}
}
