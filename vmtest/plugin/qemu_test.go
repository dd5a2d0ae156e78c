// SPDX-License-Identifier: MIT

package plugin

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/internal/testutils"
)

func TestAPIOf(t *testing.T) {
	const needs = "needs QEMU 6.1 or later"
	for version, want := range map[string]string{
		"7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)": "1",
		"6.1.0":                  "1",
		"8.2.1":                  "1",
		"8.2":                    "1",
		"9.0.4":                  "2",
		"9.1.0":                  "3",
		"10.0.2":                 "3",
		"11.0.0":                 "3",
		"5.2.0":                  "QEMU 5.2.0 is too old: " + needs,
		"6.0.9":                  "QEMU 6.0.9 is too old: " + needs,
		"":                       `QEMU "": not a version; ` + needs,
		"unknown":                `QEMU "unknown": not a version; ` + needs,
		"7":                      `QEMU "7": not a version; ` + needs,
		"7.x":                    `QEMU "7.x": not a version; ` + needs,
		"99999999999999999999.0": "QEMU 99999999999999999999.0 is too old: " + needs,
	} {
		api, err := apiOf(version, 1)
		got := fmt.Sprint(api)
		if err != nil {
			got = strings.TrimPrefix(err.Error(), "count instructions: ")
		}
		if got != want {
			t.Errorf("%q: %s, want %s", version, got, want)
		}
	}
}

func TestNewMemoryRefuses(t *testing.T) {
	for _, test := range []struct {
		version string
		cpus    int
	}{{"5.2.0", 1}, {"7.2.22", 0}, {"7.2.22", MaxCPUs + 1}, {"9.2.0", 2}, {"10.0.2", 2}} {
		if m, err := NewMemory(&Symbols{}, test.version, test.cpus, nil); err == nil {
			t.Errorf("a plugin for QEMU %s with %d CPUs: %v", test.version, test.cpus, m.Close())
		}
	}
}

// TestBuilds: each build uses what its version of the interface has, and no library but
// libc.
func TestBuilds(t *testing.T) {
	const inline, perCPU = "qemu_plugin_register_vcpu_insn_exec_inline", "qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu"
	for i, file := range []string{"count_1_amd64.so", "count_2_amd64.so", "count_3_amd64.so"} {
		so, err := elf.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer so.Close()
		imported, err := so.ImportedSymbols()
		if err != nil {
			t.Fatal(err)
		}
		uses := map[string]bool{}
		for _, s := range imported {
			uses[s.Name] = true
		}
		if uses[inline] != (i == 0) || uses[perCPU] != (i > 0) {
			t.Errorf("%s: %v", file, uses)
		}
	}
}

// TestSupported asks programs that answer as QEMU does.
func TestSupported(t *testing.T) {
	for name, c := range map[string]struct{ version, plugin, want string }{
		"supported": {"QEMU emulator version 8.2.1", "qemu: Could not load plugin " + missing + ": No such file", ""},
		"without plugins": {"QEMU emulator version 8.2.1", "qemu: plugin interface not enabled in this build",
			"count instructions: QEMU was built with --disable-plugins: needs QEMU with plugins"},
		"without emulation": {"QEMU emulator version 8.2.1", "qemu: -accel tcg: invalid accelerator tcg",
			"count instructions: QEMU does not load plugins: qemu: -accel tcg: invalid accelerator tcg"},
		"too old":  {"QEMU emulator version 5.2.0", "", "count instructions: QEMU 5.2.0 is too old: needs QEMU 6.1 or later"},
		"not QEMU": {"echo", "", `count instructions: QEMU "": not a version; needs QEMU 6.1 or later`},
	} {
		qemu := filepath.Join(t.TempDir(), "qemu")
		script := fmt.Sprintf("#!/bin/sh\n[ \"$1\" = --version ] && { echo '%s'; exit; }\necho '%s' >&2\nexit 1\n", c.version, c.plugin)
		if err := os.WriteFile(qemu, []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := Supported(t.Context(), qemu, 1); err != nil {
			got = strings.ReplaceAll(err.Error(), qemu, "QEMU")
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if err := Supported(t.Context(), "no-such-qemu", 1); err == nil || err.Error() != "count instructions: no-such-qemu is not installed" {
		t.Error(err)
	}
}

// TestSupportedHere: the QEMU of this host has plugins.
func TestSupportedHere(t *testing.T) {
	testutils.QEMU(t)
	if err := Supported(t.Context(), "qemu-system-x86_64", 1); err != nil {
		t.Error(err)
	}
}
