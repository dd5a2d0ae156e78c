// SPDX-License-Identifier: MIT

package elffiles

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
)

// object is what a loader reads of a program or library. debug/elf is not used for it: it
// reads the sections, which may be absent or wrong in a program that runs.
type object struct {
	kind
	path   string // where it was found
	origin string // the absolute directory that $ORIGIN means
	by     *object

	interp         string // the path of its loader
	soname         string
	needed         []string
	rpath, runpath string
	noDefault      bool // the default directories are not for its libraries (DF_1_NODEFLIB)
}

// Bounds of what is read of a file, far above what there is.
const (
	maxHeaders = 64 << 10 // of all program headers, as in the kernel: https://elixir.bootlin.com/linux/v6.12/source/fs/binfmt_elf.c#L505
	maxDynamic = 1 << 20  // of the dynamic section
	maxNeeded  = 4096     // libraries of one file
	maxPath    = 4096     // PATH_MAX
	maxString  = 64 << 10 // of a name or search path
)

var (
	errNotELF = errors.New("not an ELF file")
	// errCorrupt is wrapped with what is wrong.
	errCorrupt = errors.New("corrupt ELF file")
)

// read reads a program or library. Any other file is errNotELF or [ErrNotExecutable].
func read(file io.ReaderAt) (*object, error) {
	ident := make([]byte, elf.EI_NIDENT)
	if _, err := file.ReadAt(ident, 0); err != nil || !bytes.HasPrefix(ident, []byte(elf.ELFMAG)) {
		return nil, errNotELF
	}
	o := &object{kind: kind{class: elf.Class(ident[elf.EI_CLASS]), order: elf.Data(ident[elf.EI_DATA])}}
	r := &reader{file: file, class: o.class}
	switch o.order {
	case elf.ELFDATA2LSB:
		r.order = binary.LittleEndian
	case elf.ELFDATA2MSB:
		r.order = binary.BigEndian
	default:
		return nil, fmt.Errorf("%w: byte order %d", errCorrupt, o.order)
	}
	header, err := r.header()
	if err != nil {
		return nil, err
	}
	o.machine = elf.Machine(header.Machine)
	if t := elf.Type(header.Type); t != elf.ET_EXEC && t != elf.ET_DYN {
		return nil, fmt.Errorf("%w: it is of type %s", ErrNotExecutable, t)
	}
	if err := r.segments(header); err != nil {
		return nil, err
	}
	if err := o.readInterp(r); err != nil {
		return nil, err
	}
	return o, o.readDynamic(r)
}

// readInterp reads the path of the loader.
func (o *object) readInterp(r *reader) error {
	for _, p := range r.progs {
		if elf.ProgType(p.Type) != elf.PT_INTERP {
			continue
		}
		if p.Filesz > maxPath {
			return fmt.Errorf("%w: the path of its loader has %d bytes", errCorrupt, p.Filesz)
		}
		text, err := r.bytes(p.Off, p.Filesz)
		if err != nil {
			return fmt.Errorf("%w: read path of loader: %w", errCorrupt, err)
		}
		path, _, ended := bytes.Cut(text, []byte{0})
		if !ended || !filepath.IsAbs(string(path)) {
			return fmt.Errorf("%w: path of loader is %q", errCorrupt, text)
		}
		o.interp = string(path)
		return nil // the kernel takes the first, too
	}
	return nil
}

// readDynamic reads names of libraries, and where to search them.
func (o *object) readDynamic(r *reader) error {
	entries, err := r.dynamic()
	if err != nil {
		return err
	}
	var strtab uint64
	for _, e := range entries {
		if e.tag == elf.DT_STRTAB {
			strtab = e.value
		}
	}
	for _, e := range entries {
		var text *string
		switch e.tag {
		case elf.DT_NEEDED:
			if len(o.needed) == maxNeeded {
				return fmt.Errorf("%w: more than %d libraries", errCorrupt, maxNeeded)
			}
			o.needed = append(o.needed, "")
			text = &o.needed[len(o.needed)-1]
		case elf.DT_SONAME:
			text = &o.soname
		case elf.DT_RPATH:
			text = &o.rpath
		case elf.DT_RUNPATH:
			text = &o.runpath
		case elf.DT_FLAGS_1:
			o.noDefault = elf.DynFlag1(e.value)&elf.DF_1_NODEFLIB != 0
		}
		if text == nil {
			continue
		}
		if *text, err = r.text(strtab + e.value); err != nil {
			return fmt.Errorf("%w: read name in dynamic section: %w", errCorrupt, err)
		}
	}
	if o.runpath != "" {
		o.rpath = "" // https://sourceware.org/git/?p=glibc.git;a=blob;f=elf/get-dynamic-info.h
	}
	return nil
}
