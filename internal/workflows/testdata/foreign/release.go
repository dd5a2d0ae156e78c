// SPDX-License-Identifier: MIT

// Package foreign is a package of somebody else, whose tests are to run on many kernels.
package foreign

import (
	"os"
	"strings"
)

// Release is the release of the running kernel.
func Release() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(text)), err
}
