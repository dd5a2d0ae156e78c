// SPDX-License-Identifier: MIT

// Package mapdump prints BPF maps as "bpftool map dump" does: keys and values by
// their BTF types alone, as JSON in bpftool's own layouts.
//
// It knows nothing of what a map is for, and does not print maps that have no
// BTF. Per-CPU maps and maps of maps are not supported.
package mapdump

import (
	"errors"
	"fmt"
	"io"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// ErrNoBTF is returned for a map that was made without BTF types.
var ErrNoBTF = errors.New("it has no BTF, so nothing says what its bytes mean")

// Format is one of bpftool's outputs.
type Format int

const (
	Plain  Format = iota // bpftool map dump: by type, indented
	JSON                 // bpftool -j: bytes, and the same by type, in one line
	Pretty               // bpftool -p: that, indented
)

// Dump writes all elements of the map. One that is deleted meanwhile is left
// out; the kernel may show others twice then.
//
// The error wraps [ErrNoBTF] or [ebpf.ErrNotSupported], or is that of the writer.
func Dump(w io.Writer, m *ebpf.Map, format Format) error {
	switch m.Type() {
	case ebpf.PerCPUHash, ebpf.PerCPUArray, ebpf.LRUCPUHash, ebpf.PerCPUCGroupStorage, ebpf.ArrayOfMaps, ebpf.HashOfMaps:
		return fmt.Errorf("dump map of type %s: %w", m.Type(), ebpf.ErrNotSupported)
	}
	key, value, err := types(m)
	if err != nil {
		return err
	}
	out := newWriter(format != JSON)
	d := dumper{writer: out, plain: format == Plain}
	out.begin('[')
	elements := m.Iterate()
	var k, v []byte
	for elements.Next(&k, &v) {
		out.begin('{')
		if format != Plain {
			out.hex("key", k)
			out.hex("value", v)
			out.name("formatted")
			out.begin('{')
		}
		out.name("key")
		err := d.value(key, k)
		if err == nil {
			out.name("value")
			err = d.value(value, v)
		}
		if err != nil {
			return err
		}
		if format != Plain {
			out.end('}')
		}
		out.end('}')
	}
	if err := elements.Err(); err != nil {
		return fmt.Errorf("read map: %w", err)
	}
	out.end(']')
	_, err = io.WriteString(w, out.text.String()+"\n")
	return err
}

// Value is raw, of the type, as bpftool -j has it.
func Value(t btf.Type, raw []byte) (string, error) {
	d := dumper{writer: newWriter(false)}
	if err := d.value(t, raw); err != nil {
		return "", err
	}
	return d.text.String(), nil
}
