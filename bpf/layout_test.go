// SPDX-License-Identifier: MIT

package bpf

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
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

// TestTwinsDifferInTheOutputCallAlone compares what the programs of the objects call:
// everything but the transport's own helpers must be the same.
func TestTwinsDifferInTheOutputCallAlone(t *testing.T) {
	ring := []string{"FnRingbufQuery"}
	own := map[vocab.Transport][]string{
		vocab.Perf:           {"FnPerfEventOutput"},
		vocab.Ringbuf:        append([]string{"FnRingbufReserve", "FnRingbufSubmit"}, ring...),
		vocab.RingbufOutput:  append([]string{"FnRingbufOutput"}, ring...),
		vocab.RingbufSharded: append([]string{"FnRingbufReserve", "FnRingbufSubmit"}, ring...),
		vocab.RingbufBatched: append([]string{"FnRingbufOutput"}, ring...),
		vocab.RingbufDynptr:  append([]string{"FnRingbufReserveDynptr", "FnDynptrWrite", "FnRingbufSubmitDynptr", "FnRingbufDiscardDynptr"}, ring...),
		vocab.ArrayPolled:    nil,
		vocab.CountOnly:      {"FnMapUpdateElem"},
	}
	own[vocab.PerfOverwrite], own[vocab.RingbufOverwrite] = own[vocab.Perf], own[vocab.Ringbuf]
	// What send() may call as others do: it looks up the maps of its CPU, or user, and a
	// batched one may need the time of an event that has none.
	anybodys := []string{"FnMapLookupElem", "FnGetSmpProcessorId", "FnKtimeGetNs", "FnGetCurrentUidGid"}
	// What fills an event, which the control does not send.
	filling := []string{"FnGetCurrentComm", "FnGetCurrentPidTgid"}
	var shared map[string]map[string]bool
	for _, transport := range vocab.Transports() {
		all := calls(t, transport)
		delete(all, flushProgram)
		for name, called := range all {
			if strings.HasPrefix(name, "empty_") {
				continue
			}
			for _, fn := range own[transport] {
				if !called[fn] {
					t.Errorf("%s/%s never calls %s", transport, name, fn)
				}
				delete(called, fn)
			}
			for _, fn := range anybodys {
				delete(called, fn)
			}
			for _, fn := range filling {
				if handles := strings.HasPrefix(name, "handle_"); handles && transport == vocab.CountOnly {
					called[fn] = true
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

// TestOneSource: the tracer knows of no transport, but includes the file of one.
func TestOneSource(t *testing.T) {
	source, err := os.ReadFile("twin.bpf.c")
	if err != nil {
		t.Fatal(err)
	}
	allowed := regexp.MustCompile(`^#\s*(if|ifdef|ifndef|elif)\b.*(SEND_CONTEXT|SEND_COUNTS|__TARGET_ARCH_x86)`)
	for line := range strings.Lines(string(source)) {
		if regexp.MustCompile(`^#\s*(if|ifdef|ifndef|elif)\b`).MatchString(line) && !allowed.MatchString(line) {
			t.Errorf("twin.bpf.c: %s", line)
		}
		if strings.Contains(line, "bpf_ringbuf_") || strings.Contains(line, "bpf_perf_event_output") {
			t.Errorf("twin.bpf.c calls a transport: %s", line)
		}
	}
	files, err := filepath.Glob("send/*.h")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "SEC(\"tracepoint") || strings.Contains(string(text), "bpf_probe_read") {
			t.Errorf("%s does what the tracer does", file)
		}
	}
}

// calls are the helpers that every program calls.
func calls(t *testing.T, transport vocab.Transport) map[string]map[string]bool {
	t.Helper()
	all := map[string]map[string]bool{}
	for name, program := range load(t, transport).Programs {
		all[name] = map[string]bool{}
		for _, ins := range program.Instructions {
			if ins.IsBuiltinCall() {
				all[name][asm.BuiltinFunc(ins.Constant).String()] = true
			}
		}
	}
	return all
}
