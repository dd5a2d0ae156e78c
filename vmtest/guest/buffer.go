// SPDX-License-Identifier: MIT

package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ringtwin/ringtwin/vmtest/wire"
	"golang.org/x/sys/unix"
)

// buffer is memory that the host reads and writes too.
type buffer struct{ mem []byte }

// The device whose memory it is: ivshmem.
// https://www.qemu.org/docs/master/specs/ivshmem-spec.html
const (
	bufferVendor = "0x1af4"
	bufferDevice = "0x1110"
	bufferFile   = "resource2" // its third BAR
)

// mapBuffer maps the device's memory, for which no driver is needed.
// https://docs.kernel.org/PCI/sysfs-pci.html
func mapBuffer() (*buffer, error) {
	devices, err := filepath.Glob("/sys/bus/pci/devices/*")
	if err != nil {
		return nil, err
	}
	for _, dir := range devices {
		if content(dir, "vendor") != bufferVendor || content(dir, "device") != bufferDevice {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, "enable"), []byte("1"), 0); err != nil {
			return nil, fmt.Errorf("enable buffer: %w", err)
		}
		file, err := os.OpenFile(filepath.Join(dir, bufferFile), os.O_RDWR, 0)
		if err != nil {
			return nil, fmt.Errorf("open buffer: %w", err)
		}
		defer file.Close()
		mem, err := unix.Mmap(int(file.Fd()), 0, wire.BufferBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return nil, fmt.Errorf("map buffer: %w", err)
		}
		return &buffer{mem}, nil
	}
	return nil, errors.New("no buffer: the kernel shows no PCI device of QEMU's ivshmem (CONFIG_PCI)")
}

func content(dir, name string) string {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func (b *buffer) slot(n int) []byte {
	return b.mem[n*wire.SlotBytes : (n+1)*wire.SlotBytes : (n+1)*wire.SlotBytes]
}

// slots are the numbers of those that the guest fills. Those before are the host's.
func (b *buffer) slots() (from, to int) {
	n := len(b.mem) / wire.SlotBytes
	return n / 2, n
}

// data is what is in a piece from the host.
func (b *buffer) data(c *wire.Chunk) ([]byte, error) {
	if c.Bytes == 0 {
		return c.Data, nil
	}
	if from, _ := b.slots(); c.Slot < 0 || c.Slot >= from || c.Bytes < 0 || c.Bytes > wire.SlotBytes {
		return nil, fmt.Errorf("%d bytes in slot %d", c.Bytes, c.Slot)
	}
	return b.slot(c.Slot)[:c.Bytes], nil
}
