// SPDX-License-Identifier: MIT

package bpf

import (
	"reflect"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

func load(t *testing.T, transport vocab.Transport) *ebpf.CollectionSpec {
	t.Helper()
	cs, err := object(transport)
	if err != nil {
		t.Fatal(err)
	}
	return cs
}

// TestLayout compares the Go structs with the BTF that clang wrote.
func TestLayout(t *testing.T) {
	for _, transport := range vocab.Transports() {
		cs := load(t, transport)
		for name, goType := range map[string]reflect.Type{
			"event":       reflect.TypeFor[Event](),
			"storm_event": reflect.TypeFor[StormEvent](),
			"counters":    reflect.TypeFor[Counters](),
			"message":     reflect.TypeFor[struct{ Message [TextBytes]byte }](),
		} {
			t.Run(string(transport)+"/"+name, func(t *testing.T) {
				var c *btf.Struct
				if err := cs.Types.TypeByName(name, &c); err != nil {
					t.Fatal(err)
				}
				if int(c.Size) != int(goType.Size()) {
					t.Errorf("C has %d bytes, Go %d", c.Size, goType.Size())
				}
				compareFields(t, c, goType)
			})
		}
	}
}

func compareFields(t *testing.T, c *btf.Struct, goType reflect.Type) {
	t.Helper()
	i := 0
	for _, member := range c.Members {
		size, err := btf.Sizeof(member.Type)
		if err != nil {
			t.Fatal(err)
		}
		if size == 0 {
			continue // the payload tail
		}
		if i == goType.NumField() {
			t.Fatalf("Go has no field for %s", member.Name)
		}
		field := goType.Field(i)
		i++
		if want := strings.ReplaceAll(member.Name, "_", ""); !strings.EqualFold(field.Name, want) {
			t.Errorf("field %d is %s in C, %s in Go", i, member.Name, field.Name)
		}
		if int(member.Offset.Bytes()) != int(field.Offset) || size != int(field.Type.Size()) {
			t.Errorf("%s: C has %d bytes at %d, Go %d at %d",
				member.Name, size, member.Offset.Bytes(), field.Type.Size(), field.Offset)
		}
	}
	if i != goType.NumField() {
		t.Errorf("Go has %d fields, C %d", goType.NumField(), i)
	}
}

// TestTwinsDifferInTheOutputCallAlone compares what the programs of the objects
// call: everything but the transport's own helpers, and the scratch space of those
// that copy, must be the same.
func TestTwinsDifferInTheOutputCallAlone(t *testing.T) {
	own := map[vocab.Transport][]string{
		// Programs that copy look up their scratch space, and for that the CPU.
		vocab.Perf:          {"FnPerfEventOutput", "FnMapLookupElem", "FnGetSmpProcessorId"},
		vocab.Ringbuf:       {"FnRingbufReserve", "FnRingbufSubmit", "FnRingbufQuery"},
		vocab.RingbufOutput: {"FnRingbufOutput", "FnRingbufQuery", "FnMapLookupElem", "FnGetSmpProcessorId"},
	}
	var shared map[string]map[string]int
	for _, transport := range vocab.Transports() {
		all := calls(t, transport)
		for name, counts := range all {
			if strings.HasPrefix(name, "empty_") {
				continue
			}
			for _, fn := range own[transport] {
				if counts[fn] == 0 {
					t.Errorf("%s/%s never calls %s", transport, name, fn)
				}
				if counts[fn]--; counts[fn] == 0 {
					delete(counts, fn)
				}
			}
		}
		if shared == nil {
			shared = all
		}
		if !reflect.DeepEqual(all, shared) {
			t.Errorf("%s calls %v, perf %v", transport, all, shared)
		}
	}
}

// calls counts the helper calls of every program.
func calls(t *testing.T, transport vocab.Transport) map[string]map[string]int {
	t.Helper()
	all := map[string]map[string]int{}
	for name, program := range load(t, transport).Programs {
		all[name] = map[string]int{}
		for _, ins := range program.Instructions {
			if ins.IsBuiltinCall() {
				all[name][asm.BuiltinFunc(ins.Constant).String()]++
			}
		}
	}
	return all
}
