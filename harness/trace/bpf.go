// SPDX-License-Identifier: MIT

package trace

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// maxAttrBytes is more than the size of union bpf_attr.
const maxAttrBytes = 512

// bpf decodes bpf(2). Absent attributes are 0.
func (d *decoder) bpf(args [6]uint64, mem *reader) *call {
	about, ok := commands[args[0]]
	if !ok {
		about.name = fmt.Sprintf("command %d", args[0])
	}
	attr := make([]byte, maxAttrBytes)
	copy(attr, mem.bytes(args[1], int(min(args[2], maxAttrBytes))))
	c := &call{name: "bpf", command: about.name}
	for _, f := range about.fields {
		if f.as == asSubject {
			c.subject = d.fds[int(hostUint32(attr[f.at:]))]
		}
	}
	for _, f := range about.fields {
		d.attribute(c, f, attr, mem)
	}
	if about.fd {
		c.makes = d.newObject(c, about.makes, attr, mem)
	}
	return c
}

// attribute adds an attribute that is not 0, or whose 0 has a meaning.
func (d *decoder) attribute(c *call, f field, attr []byte, mem *reader) {
	number := uint64(hostUint32(attr[f.at:]))
	switch f.as {
	case asNumber:
		if number != 0 {
			c.add(f.name, "%d", number)
		}
	case asMapType, asProgramType:
		c.add(f.name, "%s", typeName(f.as, number))
	case asAttachType:
		if number != 0 {
			c.add(f.name, "%s", typeName(f.as, number))
		}
	case asMapFlags:
		c.addFlags(f.name, number, mapFlags)
	case asElemFlags:
		c.addFlags(f.name, hostUint64(attr[f.at:]), elemFlags)
	case asName:
		if name := unix.ByteSliceToString(attr[f.at : f.at+16]); name != "" {
			c.add(f.name, "%s", name)
		}
	case asString:
		if address := hostUint64(attr[f.at:]); address != 0 {
			c.add(f.name, "%q", mem.string(address))
		}
	case asFD, asSubject:
		d.descriptor(c, f, int32(number))
	case asKey, asValue:
		d.element(c, f, hostUint64(attr[f.at:]), mem)
	case asBTF:
		// Its size is an attribute too, and its types are shown where they are used.
	}
}

// descriptor adds an object. 0 is none: it is the standard input.
func (d *decoder) descriptor(c *call, f field, fd int32) {
	o := d.fds[int(fd)]
	switch {
	case o != nil:
		c.addObject(f.name, o)
		if o != c.subject {
			c.uses = append(c.uses, o)
		}
	case fd != 0 || f.as == asSubject:
		c.add(f.name, "%d", fd)
	}
}

// element adds a key or a value of a map.
func (d *decoder) element(c *call, f field, address uint64, mem *reader) {
	m := c.subject
	if address == 0 || !m.known() {
		return
	}
	size, id := m.keyBytes, m.keyID
	if f.as == asValue {
		if m.perCPU() {
			return // as many of them as there are possible CPUs
		}
		size, id = m.valBytes, m.valueID
	}
	if size > maxElementBytes {
		c.add(f.name, "(%d bytes)", size)
		return
	}
	raw := mem.bytes(address, int(size))
	if f.as == asValue && len(raw) == 4 && m.holdsDescriptors() {
		d.descriptor(c, f, int32(hostUint32(raw)))
		return
	}
	text, err := m.text(id, raw)
	mem.err = errors.Join(mem.err, err)
	c.add(f.name, "%s", text)
}

// maxElementBytes is the largest key or value that is read and shown.
const maxElementBytes = 64 << 10

// holdsDescriptors reports whether a value is given as the descriptor of an object.
func (o *object) holdsDescriptors() bool {
	switch o.mapType {
	case ebpf.PerfEventArray, ebpf.ProgramArray, ebpf.CGroupArray, ebpf.ArrayOfMaps, ebpf.HashOfMaps:
		return true
	}
	return false
}

// newObject is what a command of bpf(2) makes.
func (d *decoder) newObject(c *call, k kind, attr []byte, mem *reader) *object {
	o := &object{kind: k, name: strings.ToLower(strings.TrimPrefix(c.command, "BPF_"))}
	number := func(at int) uint32 { return hostUint32(attr[at:]) }
	switch c.command {
	case "BPF_MAP_CREATE":
		o.name = unix.ByteSliceToString(attr[28:44])
		if o.name == "" {
			o.name = "unnamed map"
		}
		o.mapType, o.keyBytes, o.valBytes = ebpf.MapType(number(0)), number(4), number(8)
		o.keyID, o.valueID = btf.TypeID(number(52)), btf.TypeID(number(56))
		if o.keyID != 0 || o.valueID != 0 {
			o.btf = d.fds[int(number(48))]
			o.btf.belongsTo(o)
		}
	case "BPF_PROG_LOAD":
		o.name = unix.ByteSliceToString(attr[48:64])
		if o.name == "" {
			o.name = "unnamed program"
		}
		d.fds[int(int32(number(72)))].belongsTo(o)
	case "BPF_BTF_LOAD":
		o.name = "BTF"
		o.raw = mem.bytes(hostUint64(attr), int(min(number(16), maxBTFBytes)))
	case "BPF_LINK_CREATE", "BPF_RAW_TRACEPOINT_OPEN":
		o.name = "link"
	}
	return o
}

// maxBTFBytes is what the kernel takes: BTF_MAX_SIZE in
// https://elixir.bootlin.com/linux/v6.12/source/include/linux/btf.h
const maxBTFBytes = 16 << 20

// belongsTo names BTF by the first object that uses it.
func (o *object) belongsTo(user *object) {
	if o != nil && o.kind == aBTF && o.of == nil {
		o.of = user
	}
}

// addFlags adds flags by name, and unnamed bits as a number.
func (c *call) addFlags(name string, value uint64, flags []bit) {
	var names []string
	for _, f := range flags {
		if value&f.mask != 0 {
			names = append(names, f.name)
			value &^= f.mask
		}
	}
	if value != 0 {
		names = append(names, fmt.Sprintf("%#x", value))
	}
	if len(names) > 0 {
		c.add(name, "%s", strings.Join(names, "|"))
	}
}
