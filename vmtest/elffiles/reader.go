// SPDX-License-Identifier: MIT

package elffiles

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// reader reads the parts of an ELF file that are mapped. Of 32-bit files it makes the
// structures of 64-bit ones.
type reader struct {
	file  io.ReaderAt
	order binary.ByteOrder
	class elf.Class
	progs []elf.Prog64
}

// bytes returns so many bytes at an offset of the file.
func (r *reader) bytes(offset, size uint64) ([]byte, error) {
	if offset > 1<<62 {
		return nil, io.ErrUnexpectedEOF
	}
	data := make([]byte, size)
	n, err := r.file.ReadAt(data, int64(offset))
	if uint64(n) == size {
		return data, nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return nil, err
}

// decode reads a structure at an offset of the file.
func (r *reader) decode(offset uint64, to any) error {
	data, err := r.bytes(offset, uint64(binary.Size(to)))
	if err == nil {
		_, err = binary.Decode(data, r.order, to)
	}
	return err
}

// header reads the file's header.
func (r *reader) header() (h elf.Header64, err error) {
	switch r.class {
	case elf.ELFCLASS64:
		err = r.decode(0, &h)
	case elf.ELFCLASS32:
		var h32 elf.Header32
		err = r.decode(0, &h32)
		h = elf.Header64{
			Type: h32.Type, Machine: h32.Machine, Phoff: uint64(h32.Phoff), Phentsize: h32.Phentsize, Phnum: h32.Phnum,
		}
	default:
		return h, fmt.Errorf("%w: class %d", errCorrupt, r.class)
	}
	if err != nil {
		err = fmt.Errorf("%w: read header: %w", errCorrupt, err)
	}
	return h, err
}

// segments reads the program headers.
func (r *reader) segments(h elf.Header64) error {
	size := binary.Size(elf.Prog64{})
	if r.class == elf.ELFCLASS32 {
		size = binary.Size(elf.Prog32{})
	}
	if int(h.Phentsize) != size || h.Phnum == 0 || int(h.Phnum)*size > maxHeaders {
		return fmt.Errorf("%w: %d program headers of %d bytes", errCorrupt, h.Phnum, h.Phentsize)
	}
	r.progs = make([]elf.Prog64, h.Phnum)
	for i := range r.progs {
		at := h.Phoff + uint64(i*size)
		var err error
		if r.class == elf.ELFCLASS64 {
			err = r.decode(at, &r.progs[i])
		} else {
			var p elf.Prog32
			err = r.decode(at, &p)
			r.progs[i] = elf.Prog64{Type: p.Type, Flags: p.Flags, Off: uint64(p.Off), Vaddr: uint64(p.Vaddr), Filesz: uint64(p.Filesz)}
		}
		if err != nil {
			return fmt.Errorf("%w: read program header %d: %w", errCorrupt, i, err)
		}
	}
	return nil
}

// entry is one of a dynamic section.
type entry struct {
	tag   elf.DynTag
	value uint64
}

// dynamic reads the dynamic section, which a static program does not have.
func (r *reader) dynamic() ([]entry, error) {
	for _, p := range r.progs {
		if elf.ProgType(p.Type) != elf.PT_DYNAMIC {
			continue
		}
		if p.Filesz > maxDynamic {
			return nil, fmt.Errorf("%w: dynamic section of %d bytes", errCorrupt, p.Filesz)
		}
		data, err := r.bytes(p.Off, p.Filesz)
		if err != nil {
			return nil, fmt.Errorf("%w: read dynamic section: %w", errCorrupt, err)
		}
		return r.entries(data), nil
	}
	return nil, nil
}

// entries are those of a dynamic section up to its end mark.
func (r *reader) entries(data []byte) []entry {
	var all []entry
	for {
		var e entry
		if r.class == elf.ELFCLASS64 {
			if len(data) < 16 {
				return all
			}
			e = entry{elf.DynTag(int64(r.order.Uint64(data))), r.order.Uint64(data[8:])}
			data = data[16:]
		} else {
			if len(data) < 8 {
				return all
			}
			e = entry{elf.DynTag(int32(r.order.Uint32(data))), uint64(r.order.Uint32(data[4:]))}
			data = data[8:]
		}
		if e.tag == elf.DT_NULL {
			return all
		}
		all = append(all, e)
	}
}

// text reads a string at an address that the file's segments map.
func (r *reader) text(address uint64) (string, error) {
	for _, p := range r.progs {
		if elf.ProgType(p.Type) != elf.PT_LOAD || address < p.Vaddr || address-p.Vaddr >= p.Filesz {
			continue
		}
		left := min(p.Filesz-(address-p.Vaddr), maxString)
		// Most names are short, and a segment is megabytes.
		for size := min(left, 256); ; size = min(left, size*4) {
			data, err := r.bytes(p.Off+(address-p.Vaddr), size)
			if err != nil {
				return "", err
			}
			if text, _, ended := bytes.Cut(data, []byte{0}); ended {
				return string(text), nil
			}
			if size == left {
				return "", errors.New("it has no end")
			}
		}
	}
	return "", fmt.Errorf("address %#x is not in the file", address)
}
