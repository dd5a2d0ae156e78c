// SPDX-License-Identifier: MIT

package facts

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestCapabilities(t *testing.T) {
	both := capabilitiesOf(unix.CAP_BPF, unix.CAP_PERFMON)
	admin := capabilitiesOf(unix.CAP_SYS_ADMIN)
	for name, got := range map[string]bool{
		"none":                      !none.has(unix.CAP_BPF),
		"one of two":                both.has(unix.CAP_PERFMON),
		"another":                   !capabilitiesOf(unix.CAP_PERFMON).has(unix.CAP_BPF),
		"SYS_ADMIN for BPF":         admin.has(unix.CAP_BPF),
		"SYS_ADMIN":                 admin.has(unix.CAP_SYS_ADMIN),
		"both are not SYS_ADMIN":    !both.has(unix.CAP_SYS_ADMIN),
		"above the first 32 bits":   both>>32 != 0 && both<<32 == 0,
		"names":                     both.String() == "BPF+PERFMON",
		"the name of no capability": none.String() == "none",
	} {
		if !got {
			t.Error(name)
		}
	}
}
