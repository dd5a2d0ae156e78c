// SPDX-License-Identifier: MIT

package trace

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// sequence returns the calls, without those of the language runtime, and without those
// that a signal interrupted, which are repeated: the verifier returns EAGAIN then, and
// Go's runtime signals its threads at any time.
// bpf_check() in https://elixir.bootlin.com/linux/v6.12/source/kernel/bpf/verifier.c
func (d *decoder) sequence() []Call {
	calls := slices.DeleteFunc(slices.Clone(d.calls), func(c *call) bool {
		return !d.forEvents(c) || c.result == -int64(unix.EAGAIN)
	})
	kept := keep(calls)
	sortMaps(calls, kept)
	var all []Call
	for _, c := range calls {
		all = append(all, c.public(!kept[c]))
	}
	return all
}

// forEvents reports whether a call is not one of an epoll instance, or of an
// eventfd, that waits for other things.
func (d *decoder) forEvents(c *call) bool {
	switch {
	case c.subject != nil && c.subject.kind == anEpoll:
		return c.subject.forEvents
	case c.makes != nil && c.makes.kind == anEpoll:
		return c.makes.forEvents
	case c.makes != nil && c.makes.kind == anEventfd:
		return slices.ContainsFunc(d.calls, func(user *call) bool {
			return slices.Contains(user.uses, c.makes) && user.subject.forEvents
		})
	}
	return true
}

// keep finds the calls that are not probes, from the last to the first: those that made a
// live object, acted on one, or opened a file to read it. An object lives while it is
// open, or while a live object was made with it.
func keep(calls []*call) map[*call]bool {
	kept := map[*call]bool{}
	for _, c := range slices.Backward(calls) {
		switch {
		case c.result < 0:
			continue
		case c.makes != nil && c.makes.kind == aFile:
		case c.makes != nil:
			if c.makes.open == 0 && !c.makes.live {
				continue
			}
		case c.subject == nil || c.subject.open == 0 && !c.subject.live:
			continue
		}
		kept[c] = true
		if c.subject != nil {
			c.subject.live = true
		}
		for _, o := range c.uses {
			o.live = true
		}
	}
	return kept
}

// sortMaps orders the calls that make maps, and that map their memory, by name: the
// library iterates over a Go map. Probes stay where they are.
func sortMaps(calls []*call, kept map[*call]bool) {
	var at []int
	sort := func() {
		run := make([]*call, len(at))
		for i, j := range at {
			run[i] = calls[j]
		}
		slices.SortStableFunc(run, func(a, b *call) int { return strings.Compare(mapOf(a), mapOf(b)) })
		for i, j := range at {
			calls[j] = run[i]
		}
		at = nil
	}
	loaded := false
	for i, c := range calls {
		switch {
		case !kept[c]:
		case mapOf(c) != "" && (!loaded || c.name == "mmap"):
			at = append(at, i)
		default:
			sort()
			loaded = loaded || c.command == "BPF_PROG_LOAD"
		}
	}
	sort()
}

// mapOf is the name of the map that a call makes, or fills, or makes BTF for.
func mapOf(c *call) string {
	o := c.makes
	if o == nil {
		o = c.subject
	}
	if o != nil && o.kind == aBTF {
		o = o.of
	}
	if o == nil || o.kind != aMap {
		return ""
	}
	return o.name
}

// public is the exported form of the call.
func (c *call) public(probe bool) Call {
	p := Call{Name: c.name, Command: c.command, Args: []Arg{}, Probe: probe}
	for _, a := range c.args {
		if a.object != nil {
			a.text = a.object.String()
		}
		p.Args = append(p.Args, Arg{Name: a.name, Value: a.text})
	}
	switch {
	case c.waits:
		p.Result = "waits"
	case c.result < 0:
		p.Result = unix.ErrnoName(unix.Errno(-c.result))
	case c.makes != nil:
		p.Result = c.makes.String()
	case c.name == "mmap":
		p.Result = "address" // differs in each run
	default:
		p.Result = fmt.Sprint(c.result)
	}
	return p
}
