// SPDX-License-Identifier: MIT

package foreign

import (
	"os"
	"strings"
	"testing"
)

// TestRelease runs as root in a VM, in the directory of the package.
func TestRelease(t *testing.T) {
	release, err := Release()
	if err != nil {
		t.Fatal(err)
	}
	t.Log("Linux", release)
	if os.Getpid() == 1 || os.Getuid() != 0 {
		t.Errorf("process %d of user %d", os.Getpid(), os.Getuid())
	}
	if _, err := os.Stat("go.mod"); err != nil {
		t.Error(err)
	}
}

// TestNotOn fails on the kernels that the file names.
func TestNotOn(t *testing.T) {
	release, err := Release()
	if err != nil {
		t.Fatal(err)
	}
	lines, err := os.ReadFile("testdata/broken")
	if os.IsNotExist(err) {
		return
	}
	if line := strings.TrimSpace(string(lines)); strings.HasPrefix(release, line+".") {
		t.Errorf("this test fails on %s", line)
	}
}
