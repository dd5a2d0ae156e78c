// SPDX-License-Identifier: MIT

package elffiles

import (
	"debug/elf"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// kind is what has to be equal in a program and its libraries.
type kind struct {
	machine elf.Machine
	class   elf.Class
	order   elf.Data
}

// arch is one architecture of programs.
type arch struct {
	kind
	platform string // what $PLATFORM means on any CPU of this architecture
}

// archs are keyed by Go's names, and others' where Go has none.
var archs = map[string]arch{
	"amd64":   {kind{elf.EM_X86_64, elf.ELFCLASS64, elf.ELFDATA2LSB}, "x86_64"},
	"386":     {kind{elf.EM_386, elf.ELFCLASS32, elf.ELFDATA2LSB}, "i686"},
	"x32":     {kind{elf.EM_X86_64, elf.ELFCLASS32, elf.ELFDATA2LSB}, "x86_64"},
	"arm64":   {kind{elf.EM_AARCH64, elf.ELFCLASS64, elf.ELFDATA2LSB}, "aarch64"},
	"arm":     {kind{elf.EM_ARM, elf.ELFCLASS32, elf.ELFDATA2LSB}, "v7l"},
	"riscv64": {kind{elf.EM_RISCV, elf.ELFCLASS64, elf.ELFDATA2LSB}, "riscv64"},
	"loong64": {kind{elf.EM_LOONGARCH, elf.ELFCLASS64, elf.ELFDATA2LSB}, "loongarch64"},
	"ppc64le": {kind{elf.EM_PPC64, elf.ELFCLASS64, elf.ELFDATA2LSB}, "ppc64le"},
	"ppc64":   {kind{elf.EM_PPC64, elf.ELFCLASS64, elf.ELFDATA2MSB}, "ppc64"},
	"s390x":   {kind{elf.EM_S390, elf.ELFCLASS64, elf.ELFDATA2MSB}, "s390x"},
}

// guests are the programs that a machine of an architecture runs. x32 is not among them:
// distributions' kernels have it switched off.
var guests = map[string][]string{
	"amd64":   {"amd64", "386"},
	"arm64":   {"arm64"},
	"riscv64": {"riscv64"},
}

// machinesOf returns what runs in a machine of an architecture.
func machinesOf(guest string) ([]kind, error) {
	names, ok := guests[guest]
	if !ok {
		return nil, fmt.Errorf("machines of %s are not known, but those of %s", guest, strings.Join(slices.Sorted(maps.Keys(guests)), ", "))
	}
	var kinds []kind
	for _, name := range names {
		kinds = append(kinds, archs[name].kind)
	}
	return kinds, nil
}

// String is Go's name of the architecture, or what ELF says.
func (k kind) String() string {
	for _, name := range slices.Sorted(maps.Keys(archs)) {
		if archs[name].kind == k {
			return name
		}
	}
	text := fmt.Sprintf("%s of %d bits", strings.TrimPrefix(k.machine.String(), "EM_"), k.bits())
	if k.order == elf.ELFDATA2MSB {
		text += ", big endian"
	}
	return text
}

func (k kind) bits() int {
	if k.class == elf.ELFCLASS32 {
		return 32
	}
	return 64
}

// platform is what $PLATFORM means, "" if that is not known.
func (k kind) platform() string { return archs[k.String()].platform }
