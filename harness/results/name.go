// SPDX-License-Identifier: MIT

package results

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// mostName is how long a name may be: file systems allow 255 bytes, of which others may
// add some.
const mostName = 120

// FileName makes the name of a kernel one that is safe as the name of a file and of a
// CI's artifact: oci:ghcr.io/cilium/ci-kernels:6.6 becomes
// oci_ghcr.io_cilium_ci-kernels_6.6. It has letters, digits and _.+- only, and begins with
// a letter or a digit. Names that have anything else than colons and slashes between, or
// are very long, end with a part of their SHA-256, so that different names stay different.
func FileName(kernel string) string {
	exact := true
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".+-", r):
			return r
		case r != ':' && r != '/':
			exact = false
		}
		return '_'
	}, kernel)
	if first := strings.TrimLeft(name, "._+-"); first != name || first == "" {
		name, exact = "kernel_"+first, false
	}
	if len(name) > mostName {
		name, exact = name[:mostName], false
	}
	if strings.HasSuffix(name, ".") { // which Windows removes
		exact = false
	}
	if exact {
		return name
	}
	sum := sha256.Sum256([]byte(kernel))
	return name + "-" + hex.EncodeToString(sum[:4])
}
