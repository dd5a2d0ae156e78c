// SPDX-License-Identifier: MIT

package guest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"

	"github.com/ringtwin/ringtwin/vmtest/wire"
)

// answerSymbols sends the functions that the kernel knows, and its modules. Errors are
// those of the port.
func answerSymbols(out *wire.Writer) error {
	s, err := symbols()
	if err != nil {
		return out.Write(wire.Error, err.Error())
	}
	if err := out.Write(wire.Answer, s); err != nil {
		return err
	}
	return out.Write(wire.Done, struct{}{})
}

func symbols() (s wire.SymbolFiles, err error) {
	file, err := os.Open("/proc/kallsyms")
	if err != nil {
		return s, fmt.Errorf("read symbols: %w", err)
	}
	defer file.Close()
	var packed bytes.Buffer
	// A serial port is slower than a compressor.
	zip, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return s, err
	}
	lines := bufio.NewReaderSize(file, 64<<10)
	for {
		line, err := lines.ReadSlice('\n')
		if len(line) == 0 {
			break
		}
		if err != nil {
			return s, fmt.Errorf("read symbols: %w", err)
		}
		if _, kind, ok := bytes.Cut(line, []byte(" ")); !ok || len(kind) == 0 || kind[0] != 't' && kind[0] != 'T' && kind[0] != 'w' && kind[0] != 'W' {
			continue // data
		}
		if _, err := zip.Write(line); err != nil {
			return s, err
		}
	}
	if err := zip.Close(); err != nil {
		return s, err
	}
	s.Kallsyms = packed.Bytes()
	s.Modules, err = os.ReadFile("/proc/modules")
	if errors.Is(err, os.ErrNotExist) {
		err = nil // the kernel has none
	}
	return s, err
}
