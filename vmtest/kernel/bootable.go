// SPDX-License-Identifier: MIT

package kernel

import (
	"bufio"
	"bytes"
	"debug/elf"
	"debug/pe"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// needs are what a kernel must have built in to boot here, whatever it is booted with.
var needs = []struct{ option, why string }{
	{"CONFIG_SERIAL_8250_CONSOLE", "the console is a serial port"},
	{"CONFIG_BLK_DEV_INITRD", "the root is an initramfs"},
}

// lz4Option lets a kernel unpack an initramfs that is compressed with LZ4.
const lz4Option = "CONFIG_RD_LZ4"

// Unbootable returns why QEMU cannot boot the kernel with an initramfs and a serial port, as
// far as its image and its configuration tell, or "".
func (b *Bundle) Unbootable() (reason string, err error) {
	if reason, err = wrongImage(b.Image); reason != "" || err != nil {
		return reason, err
	}
	config, err := b.options()
	if err != nil || config == nil {
		return "", err
	}
	for _, need := range needs {
		if !config[need.option] {
			return fmt.Sprintf("its configuration lacks %s, and %s: build it with %s=y", need.option, need.why, need.option), nil
		}
	}
	return "", nil
}

// ReadsLZ4 reports whether the kernel unpacks an initramfs that is compressed with LZ4. One
// whose configuration is not known does, as every distribution's.
func (b *Bundle) ReadsLZ4() (bool, error) {
	config, err := b.options()
	return err != nil || config == nil || config[lz4Option], err
}

// wholeConfig is in the first lines of a configuration that Kconfig wrote: conf_write in
// scripts/kconfig/confdata.c. A part of one does not tell what is not set.
const wholeConfig = "# Automatically generated file; DO NOT EDIT."

// options are those built into the kernel; nil if its whole configuration is not known.
func (b *Bundle) options() (map[string]bool, error) {
	if b.ConfigPath == "" {
		return nil, nil
	}
	text, err := os.ReadFile(b.ConfigPath)
	if err != nil {
		return nil, fmt.Errorf("read kernel configuration: %w", err)
	}
	if !bytes.Contains(text[:min(len(text), 256)], []byte(wholeConfig)) {
		return nil, nil
	}
	set := map[string]bool{}
	for scanner := bufio.NewScanner(bytes.NewReader(text)); scanner.Scan(); {
		if option, ok := strings.CutSuffix(scanner.Text(), "=y"); ok {
			set[option] = true
		}
	}
	return set, nil
}

// wrongImage returns why QEMU's -kernel cannot boot an image of x86, or "". It takes a
// bzImage, or an ELF file with an entry for PVH. What is neither, nor known, is for QEMU to
// refuse.
func wrongImage(path string) (string, error) {
	if runtime.GOARCH != "amd64" {
		return "", nil
	}
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read kernel image: %w", err)
	}
	defer file.Close()
	var header [0x210]byte
	if _, err := file.ReadAt(header[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read kernel image: %w", err)
	}
	switch {
	case string(header[0x202:0x206]) == "HdrS":
		return "", nil
	case string(header[:4]) == elf.ELFMAG:
		return wrongELF(file), nil
	case string(header[:2]) == "MZ":
		return wrongPE(file, header[:]), nil
	}
	return "", nil
}

// wrongPE returns what an EFI application is that has no boot header of x86.
func wrongPE(file io.ReaderAt, header []byte) string {
	// https://docs.kernel.org/admin-guide/efi-stub.html, drivers/firmware/efi/libstub/zboot-header.S
	if string(header[4:8]) == "zimg" {
		return "it is an EFI zboot image, which only firmware unpacks: give the image inside"
	}
	image, err := pe.NewFile(file)
	if err != nil {
		return "it is an EFI application without a kernel's boot header: give a bzImage (vmlinuz)"
	}
	if image.Section(".linux") != nil {
		return "it is a unified kernel image (UKI), which only firmware starts: give the kernel inside, as of objcopy -O binary --only-section=.linux UKI vmlinuz"
	}
	if arm := uint16(pe.IMAGE_FILE_MACHINE_ARM64); image.Machine == arm {
		return "it is an EFI application for arm64, and machines here are of amd64"
	}
	return "it is an EFI application without a kernel's boot header: give a bzImage (vmlinuz)"
}

// physEntry is the type of the note with the entry for PVH: XEN_ELFNOTE_PHYS32_ENTRY in
// include/xen/interface/elfnote.h.
const physEntry = 18

// wrongELF returns why QEMU cannot boot an ELF file, or "": load_elfboot in hw/i386/x86.c.
func wrongELF(file io.ReaderAt) string {
	image, err := elf.NewFile(file)
	if err != nil {
		return fmt.Sprintf("it is a damaged ELF file: %v", err)
	}
	if image.Machine != elf.EM_X86_64 {
		return fmt.Sprintf("it is an ELF file for %s, and machines here are of amd64", strings.ToLower(strings.TrimPrefix(image.Machine.String(), "EM_")))
	}
	for _, p := range image.Progs {
		if p.Type != elf.PT_NOTE {
			continue
		}
		notes, err := io.ReadAll(io.LimitReader(p.Open(), maxNoteBytes))
		if err == nil && hasNote(notes, image.ByteOrder, "Xen", physEntry) {
			return ""
		}
	}
	return "it is an ELF file without a PVH note (CONFIG_PVH): give the bzImage of the same build"
}
