// SPDX-License-Identifier: MIT

package machine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// sparseBlock is the unit in which zeros are left out. It is a multiple of what file
// systems have as holes.
const sparseBlock = 64 << 10

// sumSparse is a checksum of a file that is mostly holes: of its size and of each block
// that is not zeros, with its offset. It tells damage, not forgery, and a large state is
// read in some ten milliseconds. The file may have been copied without its holes.
func sumSparse(file *os.File) (string, error) {
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	sum := crc32.New(castagnoli)
	head := binary.BigEndian.AppendUint64(nil, uint64(info.Size()))
	_, _ = sum.Write(head)
	err = eachBlock(file, info.Size(), func(at int64, data []byte) error {
		_, _ = sum.Write(binary.BigEndian.AppendUint64(head[:0], uint64(at)))
		_, _ = sum.Write(data)
		return nil
	})
	return fmt.Sprintf("crc32c:%08x", sum.Sum32()), err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// eachBlock calls do for each block that is not zeros.
func eachBlock(file *os.File, size int64, do func(at int64, data []byte) error) error {
	buf, zeros := make([]byte, sparseBlock), make([]byte, sparseBlock)
	for at := int64(0); at < size; {
		data, err := unix.Seek(int(file.Fd()), at, unix.SEEK_DATA)
		switch {
		case errors.Is(err, unix.ENXIO):
			return nil // holes up to the end
		case errors.Is(err, unix.EINVAL):
			data = at // a file system that does not know holes
		case err != nil:
			return err
		}
		if at = max(at, data/sparseBlock*sparseBlock); at >= size {
			return nil
		}
		n, err := file.ReadAt(buf[:min(sparseBlock, size-at)], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if n > 0 && !bytes.Equal(buf[:n], zeros[:n]) {
			if err := do(at, buf[:n]); err != nil {
				return err
			}
		}
		at += sparseBlock
	}
	return nil
}
