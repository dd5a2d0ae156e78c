// SPDX-License-Identifier: MIT

package wire

import (
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// Command asks a guest to run a program of its initramfs.
type Command struct {
	Args []string `json:"args"` // the program's path first
	Env  []string `json:"env"`
	Dir  string   `json:"dir"`
	// Stdin is the path of a file in the guest, or "".
	Stdin string `json:"stdin,omitempty"`
	// Fetch are paths of files to return when the program has ended. A missing file is
	// not an error.
	Fetch []string `json:"fetch,omitempty"`
	// Core asks for the core dump too, if there is one: as the file [CorePath].
	Core bool `json:"core,omitempty"`
}

// CorePath is where the kernel leaves the core dump of a program.
const CorePath = "/ringtwin/core"

// Output is a piece of what a program does. Exactly one field is set.
type Output struct {
	Stdout []byte `json:"stdout,omitempty"`
	Stderr []byte `json:"stderr,omitempty"`
	File   *File  `json:"file,omitempty"`
	// Exit is the exit code; 128 + n where signal n ended it, as in a shell.
	Exit *int `json:"exit,omitempty"`
}

// File is a piece of a fetched file, in order.
type File struct {
	Path string `json:"path"`
	// Packed is the piece, compressed by zstd: an emulated serial port carries
	// half a megabyte a second, and core dumps are mostly zeros.
	Packed []byte `json:"packed"`
}

// Data is the piece itself.
func (f *File) Data() ([]byte, error) {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(PieceBytes))
	if err != nil {
		return nil, err
	}
	defer decoder.Close()
	data, err := decoder.DecodeAll(f.Packed, nil)
	if err != nil {
		return nil, fmt.Errorf("unpack piece of %s: %w", f.Path, err)
	}
	return data, nil
}

// PieceBytes is how much of a file or of an output fits in one frame.
const PieceBytes = 256 << 10

// State is the body of a frame that says ready.
type State struct {
	Release string `json:"release"` // of uname(2)
	CPUs    int    `json:"cpus"`    // online
}
