// SPDX-License-Identifier: MIT

package facts

import (
	"fmt"

	"github.com/cilium/ebpf/features"
)

// Version is a kernel's upstream version, as KERNEL_VERSION makes it of three
// numbers: comparable. 0 stands for any.
type Version uint32

// kernel is KERNEL_VERSION(major, minor, patch):
// https://elixir.bootlin.com/linux/v6.12/source/Makefile
func kernel(major, minor, patch uint32) Version {
	return Version(major<<16 | minor<<8 | min(patch, 255))
}

func (v Version) String() string {
	text := fmt.Sprintf("%d.%d", v>>16, v>>8&0xff)
	if patch := v & 0xff; patch > 0 {
		text += fmt.Sprintf(".%d", patch)
	}
	return text
}

// MarshalText writes it as String does.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (v *Version) UnmarshalText(text []byte) error {
	var major, minor, patch uint32
	if n, _ := fmt.Sscanf(string(text), "%d.%d.%d", &major, &minor, &patch); n < 2 {
		return fmt.Errorf("version %q: want MAJOR.MINOR or MAJOR.MINOR.PATCH", text)
	}
	*v = kernel(major, minor, patch)
	return nil
}

// line is the version without its patch level.
func (v Version) line() Version { return v &^ 0xff }

// fixedIn reports whether a kernel has a fix that came with these versions: the
// first in the main line, the others in stable lines of their own.
func (v Version) fixedIn(mainline Version, stable ...Version) bool {
	for _, s := range stable {
		if v.line() == s.line() {
			return v >= s
		}
	}
	return v >= mainline
}

// running is the version of the running kernel, from its vDSO: uname(2) of a
// distribution's kernel does not know the patch level.
func running() (Version, error) {
	code, err := features.LinuxVersionCode()
	if err != nil {
		return 0, fmt.Errorf("read kernel version: %w", err)
	}
	return Version(code), nil
}
