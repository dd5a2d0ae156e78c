// SPDX-License-Identifier: MIT

package facts

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// capabilities are those of a thread, as a set of bits.
type capabilities uint64

const none capabilities = 0

func capabilitiesOf(all ...int) (c capabilities) {
	for _, one := range all {
		c |= 1 << one
	}
	return c
}

// has reports whether c allows what a capability does: CAP_SYS_ADMIN stands for those
// that were split off it. bpf_capable() in
// https://elixir.bootlin.com/linux/v6.12/source/include/linux/capability.h
func (c capabilities) has(one int) bool {
	return c&capabilitiesOf(one, unix.CAP_SYS_ADMIN) != 0
}

func (c capabilities) String() string {
	var names []string
	for _, known := range []struct {
		bit  int
		name string
	}{{unix.CAP_BPF, "BPF"}, {unix.CAP_PERFMON, "PERFMON"}, {unix.CAP_SYS_ADMIN, "SYS_ADMIN"}} {
		if c&capabilitiesOf(known.bit) != 0 {
			names = append(names, known.name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, "+")
}

// compared are the capabilities that statements compare.
var compared = []capabilities{
	none, capabilitiesOf(unix.CAP_BPF), capabilitiesOf(unix.CAP_PERFMON),
	capabilitiesOf(unix.CAP_BPF, unix.CAP_PERFMON), capabilitiesOf(unix.CAP_SYS_ADMIN),
}

// checkCapabilities does something with each of [compared]. It is done once with all
// capabilities before: the library probes the kernel at the first use.
func (t *T) checkCapabilities(what string, want func(capabilities) any, do func() error) {
	t.must(what+", with all capabilities", do())
	var names []string
	for _, c := range compared {
		names = append(names, c.String())
	}
	checkAll(t, what+" with "+strings.Join(names, ", "), compared, want, func(c capabilities) (err any) {
		t.with(c, func() { err = asAny(do()) })
		return err
	})
}

// asAny is an error, or nil.
func asAny(err error) any {
	if err == nil {
		return nil
	}
	return err
}

// with calls f with these capabilities alone. It drops them in this thread, which is the
// experiment's own: the Go runtime does not clone a thread that is locked.
func (t *T) with(c capabilities, f func()) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var all [2]unix.CapUserData
	t.must("read capabilities", unix.Capget(&header, &all[0]))
	fewer := all
	fewer[0].Effective, fewer[1].Effective = uint32(c), uint32(c>>32)
	err := unix.Capset(&header, &fewer[0])
	if errors.Is(err, unix.EPERM) {
		t.cannot("this process lacks one of the capabilities that the statement is about")
	}
	t.must("drop capabilities", err)
	defer func() {
		if err := unix.Capset(&header, &all[0]); err != nil && t.err == nil {
			t.err = err
		}
	}()
	f()
}
