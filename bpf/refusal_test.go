// SPDX-License-Identifier: MIT

package bpf

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLockdownMode(t *testing.T) {
	for text, want := range map[string]string{
		"[none] integrity confidentiality\n": "",
		"none [integrity] confidentiality\n": "integrity",
		"none integrity [confidentiality]\n": "confidentiality",
		"":                                   "",
	} {
		if got := lockdownMode(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestCountsMemlock(t *testing.T) {
	for release, want := range map[string]bool{
		"4.19.0-27-amd64": true, "5.10.0-33-cloud-amd64": true, "5.11.0": false, "6.1.0": false, "7.3.4": false, "x": false, "": false,
	} {
		if got := countsMemlock(release); got != want {
			t.Errorf("%q: %v, want %v", release, got, want)
		}
	}
}

// TestRefusal: an error that has no other reason stays as it is.
func TestRefusal(t *testing.T) {
	for _, err := range []error{os.ErrClosed, unix.EINVAL} {
		if got := refusal(err); !errors.Is(got, err) || got.Error() != err.Error() {
			t.Errorf("%v became %v", err, got)
		}
	}
	if err := error(&MemlockError{}); !errors.Is(err, unix.EPERM) {
		t.Errorf("%v is not EPERM", err)
	}
	if lockdown() == "" {
		if got := refusal(unix.EACCES); !errors.Is(got, unix.EACCES) || got.Error() != unix.EACCES.Error() {
			t.Errorf("a kernel that is not locked down: %v", got)
		}
	}
}

// TestCapabilities: what the kernel reports for this thread in its own way.
func TestCapabilities(t *testing.T) {
	caps, err := Capabilities()
	if err != nil {
		t.Fatal(err)
	}
	for c := 0; c <= unix.CAP_LAST_CAP; c++ {
		// PR_CAPBSET_READ tells of the bounding set, which holds all effective ones.
		bound, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0)
		if err == nil && bound == 0 && caps.Has(c) {
			t.Errorf("capability %d is effective, and not in the bounding set", c)
		}
	}
	if os.Geteuid() == 0 && caps == 0 {
		t.Error("root has none")
	}
}
