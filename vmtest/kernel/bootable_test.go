// SPDX-License-Identifier: MIT

package kernel

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// elfImage is an ELF file with one segment of notes.
func elfImage(t *testing.T, machine elf.Machine, note []byte) []byte {
	t.Helper()
	header := elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1}, Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: 1,
		Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
	}
	var b bytes.Buffer
	check(t, binary.Write(&b, binary.LittleEndian, header))
	check(t, binary.Write(&b, binary.LittleEndian, elf.Prog64{Type: uint32(elf.PT_NOTE), Off: 120, Filesz: uint64(len(note)), Memsz: uint64(len(note))}))
	b.Write(note)
	return append(b.Bytes(), make([]byte, 0x300)...)
}

func note(name string, kind uint32, data string) []byte {
	var b bytes.Buffer
	for _, n := range []uint32{uint32(len(name) + 1), uint32(len(data)), kind} {
		_ = binary.Write(&b, binary.LittleEndian, n) // to memory
	}
	for _, text := range []string{name + "\x00", data} {
		b.WriteString(text + strings.Repeat("\x00", int(align(uint32(len(text))))-len(text)))
	}
	return b.Bytes()
}

// peImage is a PE file with one section.
func peImage(machine uint16, section string) []byte {
	image := make([]byte, 0x400)
	copy(image, "MZ")
	binary.LittleEndian.PutUint32(image[0x3c:], 0x80)
	copy(image[0x80:], "PE\x00\x00")
	binary.LittleEndian.PutUint16(image[0x84:], machine)
	binary.LittleEndian.PutUint16(image[0x86:], 1) // sections
	copy(image[0x98:], section)
	return image
}

func zboot() []byte {
	image := make([]byte, 0x400)
	copy(image, "MZ\x00\x00zimg")
	return image
}

// TestUnbootable: what QEMU cannot boot is found in the image and in its configuration.
func TestUnbootable(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("images of x86 are for hosts of x86")
	}
	const head = "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/x86 6.5.0 Kernel Configuration\n#\n"
	const amd64, arm64 = 0x8664, 0xaa64
	for name, test := range map[string]struct {
		image  []byte
		config string
		says   string // "": it can be tried
	}{
		"a bzImage":                 {image("6.5.0"), "", ""},
		"a bzImage with EFI stub":   {append([]byte("MZ"), image("6.5.0")[2:]...), "", ""},
		"text":                      {[]byte("This is no kernel."), "", ""},
		"an ELF file with PVH":      {elfImage(t, elf.EM_X86_64, append(note("Linux", 1, "abc"), note("Xen", physEntry, "12345678")...)), "", ""},
		"an ELF file without":       {elfImage(t, elf.EM_X86_64, append(note("Linux", physEntry, "12345678"), note("Xen", 5, "x")...)), "", "ELF file without a PVH note (CONFIG_PVH)"},
		"an ELF file for arm64":     {elfImage(t, elf.EM_AARCH64, nil), "", "ELF file for aarch64, and machines here are of amd64"},
		"half an ELF file":          {[]byte("\x7fELF"), "", "damaged ELF file"},
		"a unified kernel image":    {peImage(amd64, ".linux"), "", "unified kernel image (UKI)"},
		"an EFI application":        {peImage(amd64, ".text"), "", "EFI application without a kernel's boot header"},
		"an EFI application, arm64": {peImage(arm64, ".text"), "", "EFI application for arm64"},
		"a zboot image":             {zboot(), "", "EFI zboot image"},
		"all built in":              {image("6.5.0"), head + "CONFIG_SERIAL_8250_CONSOLE=y\nCONFIG_BLK_DEV_INITRD=y\n", ""},
		"a part of a configuration": {image("6.5.0"), "CONFIG_HZ=1000\n", ""},
		"no serial console":         {image("6.5.0"), head + "CONFIG_BLK_DEV_INITRD=y\nCONFIG_SERIAL_8250=m\n", "lacks CONFIG_SERIAL_8250_CONSOLE"},
		"no initramfs":              {image("6.5.0"), head + "CONFIG_SERIAL_8250_CONSOLE=y\n# CONFIG_BLK_DEV_INITRD is not set\n", "lacks CONFIG_BLK_DEV_INITRD"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			b := &Bundle{Image: filepath.Join(dir, "image")}
			write(t, b.Image, test.image)
			if test.config != "" {
				b.ConfigPath = filepath.Join(dir, "config")
				check(t, os.WriteFile(b.ConfigPath, []byte(test.config), 0o644))
			}
			reason, err := b.Unbootable()
			if err != nil || (reason == "") != (test.says == "") || !strings.Contains(reason, test.says) {
				t.Errorf("got %q, %v, want %q", reason, err, test.says)
			}
		})
	}
}

// FuzzHasNote: any bytes are notes or none.
func FuzzHasNote(f *testing.F) {
	f.Add(note("Xen", physEntry, "12345678"))
	f.Fuzz(func(t *testing.T, notes []byte) {
		if hasNote(notes, binary.LittleEndian, "Xen", physEntry) && !bytes.Contains(notes, []byte("Xen")) {
			t.Error("a note that is not there")
		}
	})
}
