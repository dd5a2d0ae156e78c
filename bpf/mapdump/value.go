// SPDX-License-Identifier: MIT

package mapdump

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"

	"github.com/cilium/ebpf/btf"
)

// dumper writes values by their types, as bpftool does:
// https://elixir.bootlin.com/linux/v6.12/source/tools/bpf/bpftool/btf_dumper.c
type dumper struct {
	*writer
	plain bool // pointers and characters are not printed as JSON
}

// value writes raw, which must be as long as the type.
func (d dumper) value(t btf.Type, raw []byte) error {
	if v, ok := t.(*btf.Var); ok { // it has no size of its own
		d.begin('{')
		d.name(v.Name)
		err := d.value(v.Type, raw)
		d.end('}')
		return err
	}
	size, err := btf.Sizeof(t)
	if err != nil {
		return fmt.Errorf("size of %v: %w", t, err)
	}
	if len(raw) < size {
		return fmt.Errorf("%d bytes of %v: want %d", len(raw), t, size)
	}
	raw = raw[:size]
	switch t := t.(type) {
	case *btf.Int:
		d.integer(t, raw)
	case *btf.Enum:
		d.enum(t, raw)
	case *btf.Pointer:
		switch value := unsigned(raw); {
		case !d.plain:
			d.raw("%d", value)
		case value == 0:
			d.raw("(nil)") // as glibc prints it
		default:
			d.raw("0x%x", value)
		}
	case *btf.Array:
		return d.array(t, raw)
	case *btf.Struct:
		return d.members(t.Members, raw)
	case *btf.Union:
		return d.members(t.Members, raw)
	case *btf.Datasec:
		return d.section(t, raw)
	default:
		under := btf.UnderlyingType(t)
		if under == t {
			return fmt.Errorf("type %v: not supported", t)
		}
		return d.value(under, raw)
	}
	return nil
}

// unsigned reads at most eight bytes in the order of the host.
func unsigned(raw []byte) uint64 {
	switch len(raw) {
	case 1:
		return uint64(raw[0])
	case 2:
		return uint64(binary.NativeEndian.Uint16(raw))
	case 4:
		return uint64(binary.NativeEndian.Uint32(raw))
	case 8:
		return binary.NativeEndian.Uint64(raw)
	}
	return 0
}

// signed sign-extends a value of so many bits.
func signed(value uint64, bits int) int64 { return int64(value<<(64-bits)) >> (64 - bits) }

func (d dumper) integer(t *btf.Int, raw []byte) {
	if len(raw) > 8 {
		// BTF objects of maps are the host's, which here is little endian.
		bytes := slices.Clone(raw)
		slices.Reverse(bytes)
		d.hexadecimal(new(big.Int).SetBytes(bytes))
		return
	}
	value := unsigned(raw)
	switch t.Encoding {
	case btf.Signed:
		d.raw("%d", signed(value, len(raw)*8))
	case btf.Bool:
		d.raw("%t", value != 0)
	case btf.Char:
		switch c := raw[0]; {
		case c >= ' ' && c < 0x7f:
			d.raw(`"%c"`, c)
		case d.plain:
			d.raw("0x%x", c)
		default:
			d.raw(`"\u00%02x"`, c)
		}
	default:
		d.raw("%d", value)
	}
}

func (d dumper) enum(t *btf.Enum, raw []byte) {
	value := unsigned(raw)
	for _, v := range t.Values {
		if v.Value == value || t.Signed && signed(v.Value, len(raw)*8) == signed(value, len(raw)*8) {
			d.string(v.Name)
			return
		}
	}
	if t.Signed {
		d.raw("%d", signed(value, len(raw)*8))
		return
	}
	d.raw("%d", value)
}

// array writes characters up to their NUL as a string.
func (d dumper) array(t *btf.Array, raw []byte) error {
	if text, ok := cString(t, raw); ok {
		d.string(text)
		return nil
	}
	d.begin('[')
	for i := range int(t.Nelems) {
		size := len(raw) / int(t.Nelems)
		if err := d.value(t.Type, raw[i*size:]); err != nil {
			return err
		}
	}
	d.end(']')
	return nil
}

// cString reports whether an array is a C string: characters that are printable,
// with a NUL. bpftool shows any other as an array, even one that is just full.
func cString(t *btf.Array, raw []byte) (string, bool) {
	element, ok := unqualified(t.Type).(*btf.Int) // a typedef of char is no string
	if !ok || element.Size != 1 || element.Encoding != btf.Char && element.Name != "char" {
		return "", false
	}
	end := slices.IndexFunc(raw, func(c byte) bool { return c < ' ' || c >= 0x7f })
	if end < 0 || raw[end] != 0 {
		return "", false
	}
	return string(raw[:end]), true
}

// unqualified is a type without const, volatile and restrict.
func unqualified(t btf.Type) btf.Type {
	for {
		switch q := t.(type) {
		case *btf.Const:
			t = q.Type
		case *btf.Volatile:
			t = q.Type
		case *btf.Restrict:
			t = q.Type
		default:
			return t
		}
	}
}

// members writes a struct, or a union as each of its members.
func (d dumper) members(members []btf.Member, raw []byte) error {
	d.begin('{')
	for _, m := range members {
		d.name(m.Name)
		if m.BitfieldSize > 0 {
			d.bits(m, raw)
			continue
		}
		if err := d.value(m.Type, raw[m.Offset.Bytes():]); err != nil {
			return err
		}
	}
	d.end('}')
	return nil
}

// bits writes a bit-field, which bpftool shows in hexadecimal.
func (d dumper) bits(m btf.Member, raw []byte) {
	value := new(big.Int)
	for i := range int(m.BitfieldSize) {
		at := int(m.Offset) + i
		value.SetBit(value, i, uint(raw[at/8]>>(at%8)&1))
	}
	d.hexadecimal(value)
}

func (d dumper) hexadecimal(value *big.Int) {
	if d.plain {
		d.raw("0x%x", value)
	} else {
		d.raw(`"0x%x"`, value)
	}
}

// section writes the variables of an object's section, as in .rodata.
func (d dumper) section(t *btf.Datasec, raw []byte) error {
	d.begin('{')
	d.name(t.Name)
	d.begin('[')
	for _, v := range t.Vars {
		if err := d.value(v.Type, raw[v.Offset:]); err != nil {
			return err
		}
	}
	d.end(']')
	d.end('}')
	return nil
}
