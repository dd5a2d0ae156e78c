// SPDX-License-Identifier: MIT

package mapdump

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/internal/bpffs"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

var (
	u8    = &btf.Int{Name: "unsigned char", Size: 1}
	u32   = &btf.Int{Name: "unsigned int", Size: 4}
	u64   = &btf.Int{Name: "unsigned long", Size: 8}
	s16   = &btf.Int{Name: "short", Size: 2, Encoding: btf.Signed}
	s32   = &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	truth = &btf.Int{Name: "_Bool", Size: 1, Encoding: btf.Bool}
	char  = &btf.Int{Name: "char", Size: 1, Encoding: btf.Signed}
	i128  = &btf.Int{Name: "__int128", Size: 16}
)

// everything has a member of each kind that bpftool prints in its own way. Its
// fields follow each other without padding.
func everything() (*btf.Struct, []byte) {
	var raw []byte
	s := &btf.Struct{Name: "everything"}
	add := func(name string, t btf.Type, bytes string) {
		s.Members = append(s.Members, btf.Member{Name: name, Type: t, Offset: btf.Bits(len(raw) * 8)})
		raw = append(raw, bytes...)
	}
	chars := func(n uint32) *btf.Array { return &btf.Array{Index: u32, Type: char, Nelems: n} }
	add("minus", s16, "\xfe\xff")
	add("yes", truth, "\x01")
	add("no", truth, "\x00")
	add("text", chars(8), "it's\x00\x01\x02\x03")
	add("quoted", chars(8), "\"a b\"\x00\x00\x00")
	add("full", chars(4), "full")
	add("control", chars(4), "a\nb\x00")
	add("empty", chars(4), "\x00\x00\x00\x00")
	add("constant", &btf.Array{Index: u32, Type: &btf.Const{Type: char}, Nelems: 4}, "abc\x00")
	add("named", &btf.Array{Index: u32, Type: &btf.Typedef{Name: "letter", Type: char}, Nelems: 4}, "abc\x00")
	add("bytes", &btf.Array{Index: u32, Type: u8, Nelems: 4}, "\x01\x02\x03\xff")
	add("matrix", &btf.Array{Index: u32, Type: &btf.Array{Index: u32, Type: s16, Nelems: 2}, Nelems: 2}, "\x01\x00\x02\x00\x03\x00\xff\xff")
	add("colour", &btf.Enum{Name: "colour", Size: 4, Values: []btf.EnumValue{{Name: "RED"}, {Name: "BLUE", Value: 2}}}, "\x02\x00\x00\x00")
	add("none", &btf.Enum{Name: "colour", Size: 4, Values: []btf.EnumValue{{Name: "RED"}, {Name: "BLUE", Value: 2}}}, "\x07\x00\x00\x00")
	add("pointer", &btf.Pointer{Target: &btf.Void{}}, "\x10\x20\x00\x00\x00\x00\x00\x00")
	add("null", &btf.Pointer{Target: &btf.Void{}}, "\x00\x00\x00\x00\x00\x00\x00\x00")
	add("nested", &btf.Struct{Name: "nested", Size: 8, Members: []btf.Member{{Name: "a", Type: u32}, {Name: "b", Type: s32, Offset: 32}}}, "\x01\x00\x00\x00\xff\xff\xff\xff")
	add("either", &btf.Union{Name: "either", Size: 4, Members: []btf.Member{{Name: "word", Type: u32}, {Name: "bytes", Type: &btf.Array{Index: u32, Type: u8, Nelems: 4}}}}, "\x01\x02\x03\x04")
	add("size", &btf.Typedef{Name: "size_t", Type: u64}, "\xff\xff\xff\xff\xff\xff\xff\xff")
	at := btf.Bits(len(raw) * 8)
	s.Members = append(s.Members, btf.Member{Name: "three", Type: u32, Offset: at, BitfieldSize: 3}, btf.Member{Name: "nine", Type: u32, Offset: at + 3, BitfieldSize: 9})
	raw = append(raw, 0xfd, 0x0a, 0, 0)
	for len(raw)%16 != 0 {
		raw = append(raw, 0)
	}
	add("wide", i128, "\x01\x02\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00")
	s.Size = uint32(len(raw))
	return s, raw
}

// TestBpftool: a dump equals that of the real bpftool, in all of its formats.
func TestBpftool(t *testing.T) {
	testutils.Root(t)
	bpftool := testutils.Bpftool(t)
	dir := bpffs.Mount(t)
	rich, raw := everything()
	for name, test := range map[string]struct {
		spec *ebpf.MapSpec
		fill func(*ebpf.Map) error
	}{
		"everything": {
			&ebpf.MapSpec{Name: "everything", Type: ebpf.Array, Key: u32, Value: rich, KeySize: 4, ValueSize: rich.Size, MaxEntries: 2},
			func(m *ebpf.Map) error { return m.Put(uint32(1), raw) },
		},
		"empty": {
			&ebpf.MapSpec{Name: "empty", Type: ebpf.Hash, Key: u32, Value: u64, KeySize: 4, ValueSize: 8, MaxEntries: 2},
			func(*ebpf.Map) error { return nil },
		},
		"numbers": {
			&ebpf.MapSpec{Name: "numbers", Type: ebpf.Hash, Key: s32, Value: u64, KeySize: 4, ValueSize: 8, MaxEntries: 2},
			func(m *ebpf.Map) error { return m.Put(int32(-1), uint64(1<<63)) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := ebpf.NewMap(test.spec)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if err := test.fill(m); err != nil {
				t.Fatal(err)
			}
			pin := filepath.Join(dir, name)
			if err := m.Pin(pin); err != nil {
				t.Fatal(err)
			}
			for format, flags := range map[Format][]string{Plain: nil, JSON: {"-j"}, Pretty: {"-p"}} {
				want, err := exec.Command(bpftool, append(flags, "map", "dump", "pinned", pin)...).Output()
				if err != nil {
					t.Fatalf("bpftool %s: %v\n%s", flags, err, want)
				}
				var got strings.Builder
				if err := Dump(&got, m, format); err != nil {
					t.Fatal(err)
				}
				if diff := gocmp.Diff(string(want), got.String()); diff != "" {
					t.Errorf("%s: bpftool (-) and Dump (+) differ:\n%s", flags, diff)
				}
			}
		})
	}
}

// TestNoBTF: a map without types returns ErrNoBTF.
func TestNoBTF(t *testing.T) {
	testutils.Root(t)
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var out strings.Builder
	if err := Dump(&out, m, Plain); err == nil || !strings.Contains(err.Error(), ErrNoBTF.Error()) || out.Len() > 0 {
		t.Errorf("error %v, output %q", err, out.String())
	}
}

// TestValue: types that a map cannot have directly, and too few bytes.
func TestValue(t *testing.T) {
	section := &btf.Datasec{Name: ".rodata", Size: 8, Vars: []btf.VarSecinfo{
		{Type: &btf.Var{Name: "batch", Type: &btf.Const{Type: u32}}, Offset: 0, Size: 4},
		{Type: &btf.Var{Name: "only", Type: truth}, Offset: 4, Size: 1},
	}}
	got, err := Value(section, []byte{7, 0, 0, 0, 1, 0, 0, 0})
	if want := `{".rodata":[{"batch":7},{"only":true}]}`; got != want || err != nil {
		t.Errorf("section: %s, %v, want %s", got, err, want)
	}
	letter := &btf.Int{Name: "letter", Size: 1, Encoding: btf.Char}
	for raw, want := range map[byte]string{'a': `"a"`, 7: `"\u0007"`} {
		if got, err := Value(letter, []byte{raw}); got != want || err != nil {
			t.Errorf("character %d: %s, %v, want %s", raw, got, err, want)
		}
	}
	if got, err := Value(u64, []byte{1, 2}); err == nil {
		t.Errorf("two bytes of eight: %s", got)
	}
	if got, err := Value(&btf.Func{Name: "f", Type: &btf.FuncProto{Return: u32}}, []byte{1}); err == nil {
		t.Errorf("a function: %s", got)
	}
}
