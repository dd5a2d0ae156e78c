// SPDX-License-Identifier: MIT

package vmtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/pierrec/lz4/v4"
	"github.com/ringtwin/ringtwin/vmtest/atomicfile"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
)

// lz4Magic begins an archive that is compressed as the kernel wants it: ARCHIVE_MAGICNUMBER
// in lib/decompress_unlz4.c.
var lz4Magic = []byte{0x02, 0x21, 0x4c, 0x18}

// archiveFor returns the archive in the form that a kernel unpacks: as it is, or without its
// compression beside it. That takes 0.2 s longer than LZ4 where machines are emulated, and
// less than any other compression.
func archiveFor(bundle *kernel.Bundle, path string) (string, error) {
	if reads, err := bundle.ReadsLZ4(); err != nil || reads {
		return path, err
	}
	file, compressed, err := openArchive(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	if !compressed {
		return path, nil
	}
	plain := strings.TrimSuffix(path, ".lz4") + ".plain"
	return plain, decompress(plain, file)
}

func decompress(path string, from io.Reader) (err error) {
	to, err := atomicfile.Create(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("write initramfs without compression: %w", err)
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if _, err := io.Copy(to, lz4.NewReader(from)); err != nil {
		return fmt.Errorf("write initramfs without compression: %w", err)
	}
	return to.Replace(path)
}

func openArchive(path string) (file *os.File, compressed bool, err error) {
	if file, err = os.Open(path); err != nil {
		return nil, false, fmt.Errorf("open initramfs: %w", err)
	}
	head := make([]byte, len(lz4Magic))
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, errors.Join(fmt.Errorf("read initramfs: %w", err), file.Close())
	}
	return file, bytes.Equal(head[:n], lz4Magic), nil
}

// smallArchive is the part of the memory, as 1/n, up to which an archive is not looked
// into: it fits unless it shrank by more than that.
const smallArchive = 16

// checkFits rejects an archive that cannot be unpacked in a machine's memory: the kernel
// holds it while it fills a tmpfs, which has at most half of what memory is left. What the
// kernel takes for itself, about 20 MiB, is not counted: what is rejected never fits.
//
// shmem_default_max_blocks in https://elixir.bootlin.com/linux/v6.12/source/mm/shmem.c
func checkFits(path string, memoryMiB int) error {
	file, compressed, err := openArchive(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("read initramfs: %w", err)
	}
	memory, packed := int64(memoryMiB)<<20, info.Size()
	if packed < memory/smallArchive {
		return nil
	}
	unpacked := packed
	if compressed {
		if unpacked, err = io.Copy(io.Discard, lz4.NewReader(file)); err != nil {
			return fmt.Errorf("read initramfs: %w", err)
		}
	}
	need := packed + 2*unpacked
	if need <= memory {
		return nil
	}
	return &memoryError{packed, unpacked, need, memoryMiB}
}

// memoryError is an archive that does not fit.
type memoryError struct {
	packed, unpacked, need int64
	memoryMiB              int
}

func (e *memoryError) Error() string {
	return fmt.Sprintf("the initramfs does not fit: it has %d MiB, and %d MiB unpacked, for which a machine needs more than %d MiB of memory and has %d (--memory)",
		mebi(e.packed), mebi(e.unpacked), mebi(e.need), e.memoryMiB)
}

// mebi rounds up.
func mebi(n int64) int64 { return (n + 1<<20 - 1) >> 20 }
