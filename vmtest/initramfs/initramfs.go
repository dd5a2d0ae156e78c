// SPDX-License-Identifier: MIT

// Package initramfs writes the archive that a kernel unpacks as its root.
package initramfs

import (
	"fmt"
	"io"
)

// File is one entry of the archive.
type File struct {
	Name  string // without a leading slash
	Mode  uint32 // type and permissions, as in stat(2)
	Major uint32 // of a device node
	Minor uint32
	Data  []byte
}

// Types of files, as in stat(2).
const (
	Regular   = 0o100000
	Directory = 0o040000
	Character = 0o020000
)

// Write writes the files as an uncompressed "newc" cpio archive: under emulation the
// guest's decompression is more expensive than the copy. Everything belongs to root and
// has no time, so the same files give the same bytes.
// https://docs.kernel.org/driver-api/early-userspace/buffer-format.html
func Write(w io.Writer, files []File) error {
	for i, f := range files {
		if err := writeEntry(w, uint32(i+1), f); err != nil {
			return fmt.Errorf("write %s to initramfs: %w", f.Name, err)
		}
	}
	return writeEntry(w, 0, File{Name: "TRAILER!!!"})
}

func writeEntry(w io.Writer, inode uint32, f File) error {
	const links, noChecksum = 1, 0
	name := f.Name + "\x00"
	header := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		inode, f.Mode, 0, 0, links, 0, len(f.Data), 0, 0, f.Major, f.Minor, len(name), noChecksum)
	if _, err := io.WriteString(w, header+name+pad(len(header)+len(name))); err != nil {
		return err
	}
	if _, err := w.Write(f.Data); err != nil {
		return err
	}
	_, err := io.WriteString(w, pad(len(f.Data)))
	return err
}

// pad is the NULs up to the next multiple of four.
func pad(n int) string { return "\x00\x00\x00"[:(4-n%4)%4] }
