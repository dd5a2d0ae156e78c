// SPDX-License-Identifier: MIT

package trace

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/harness/ptrace"
	"golang.org/x/sys/unix"
)

// space is an address space: data by address.
type space map[uint64][]byte

func (s space) Read(address uint64, into []byte) error {
	for start, data := range s {
		if address >= start && address-start < uint64(len(data)) {
			clear(into)
			copy(into, data[address-start:])
			return nil
		}
	}
	return unix.EFAULT
}

// put puts data at a page of its own and returns its address.
func (s space) put(data []byte) uint64 {
	address := uint64(len(s)+1) << 32
	s[address] = data
	return address
}

// attr is a union bpf_attr that has these values at these offsets: a uint32, a
// uint64 or text.
func attr(values map[int]any) []byte {
	raw := make([]byte, 128)
	for at, value := range values {
		switch v := value.(type) {
		case int:
			binary.NativeEndian.PutUint32(raw[at:], uint32(v))
		case uint64:
			binary.NativeEndian.PutUint64(raw[at:], v)
		case string:
			copy(raw[at:], v)
		}
	}
	return raw
}

// tracee makes system calls, one after the other.
type tracee struct {
	*decoder
	space
}

func newTracee() *tracee { return &tracee{newDecoder(), space{}} }

func (tr *tracee) call(result int64, number uint64, args ...uint64) {
	c := ptrace.Call{Number: number}
	copy(c.Args[:], args)
	if !tr.Enter(1, c, tr.space) {
		tr.Leave(1, result)
	}
}

func (tr *tracee) bpf(result int64, command uint64, values map[int]any) {
	tr.call(result, unix.SYS_BPF, command, tr.put(attr(values)), 128)
}

func messageBTF(t *testing.T) (raw []byte, key, value btf.TypeID) {
	t.Helper()
	u32 := &btf.Int{Name: "unsigned int", Size: 4}
	char := &btf.Int{Name: "char", Size: 1, Encoding: btf.Signed}
	message := &btf.Struct{Name: "message", Size: 13, Members: []btf.Member{{Name: "message", Type: &btf.Array{Index: u32, Type: char, Nelems: 13}}}}
	builder, err := btf.NewBuilder([]btf.Type{u32, message}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if key, err = builder.Add(u32); err != nil {
		t.Fatal(err)
	}
	if value, err = builder.Add(message); err != nil {
		t.Fatal(err)
	}
	raw, err = builder.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw, key, value
}

// chapter makes the calls of the book's tracer, with a library's probes, and calls of a
// language runtime between them.
func chapter(t *testing.T, perf bool, cpus int) *tracee {
	raw, key, value := messageBTF(t)
	tr := newTracee()
	// Probes: one fails, one is closed, and one is used by what is closed.
	tr.bpf(-int64(unix.EINVAL), unix.BPF_PROG_LOAD, map[int]any{0: 2, 4: 2})
	tr.bpf(3, unix.BPF_BTF_LOAD, map[int]any{0: tr.put(raw), 16: len(raw)})
	tr.bpf(4, unix.BPF_MAP_CREATE, map[int]any{0: 2, 4: 4, 8: 4, 12: 1, 28: "feature_test", 48: 3, 52: 1, 56: 1})
	tr.call(0, unix.SYS_CLOSE, 4)
	tr.call(0, unix.SYS_CLOSE, 3)
	// The runtime's own poller.
	tr.call(3, unix.SYS_EPOLL_CREATE1, unix.EPOLL_CLOEXEC)
	tr.call(4, unix.SYS_EVENTFD2, 0, unix.EFD_NONBLOCK)
	tr.call(0, unix.SYS_EPOLL_CTL, 3, unix.EPOLL_CTL_ADD, 4)
	tr.call(0, unix.SYS_EPOLL_PWAIT, 3)
	// The maps, in an order that is not that of their names.
	if perf {
		tr.bpf(5, unix.BPF_MAP_CREATE, map[int]any{0: 4, 4: 4, 8: 4, 12: cpus, 28: "output"})
	} else {
		tr.bpf(5, unix.BPF_MAP_CREATE, map[int]any{0: 27, 12: 1 << 18, 28: "output"})
	}
	tr.bpf(6, unix.BPF_BTF_LOAD, map[int]any{0: tr.put(raw), 16: len(raw)})
	tr.bpf(7, unix.BPF_MAP_CREATE, map[int]any{0: 1, 4: 4, 8: 13, 12: 10240, 16: 1 | 1<<20, 28: "config", 48: 6, 52: int(key), 56: int(value)})
	tr.call(0, unix.SYS_CLOSE, 6)
	// A signal comes between the first time.
	tr.bpf(-int64(unix.EAGAIN), unix.BPF_PROG_LOAD, map[int]any{0: 2, 4: 44})
	tr.bpf(6, unix.BPF_PROG_LOAD, map[int]any{0: 2, 4: 44, 16: tr.put([]byte("Dual BSD/GPL\x00")), 48: "hello", 68: 24})
	tr.bpf(0, unix.BPF_MAP_UPDATE_ELEM, map[int]any{
		0: 7, 8: tr.put([]byte{0xf5, 1, 0, 0}), 16: tr.put([]byte("Hi user 501!\x00")), 24: uint64(unix.BPF_NOEXIST),
	})
	tr.bpf(0, unix.BPF_OBJ_PIN, map[int]any{0: tr.put([]byte("/sys/fs/bpf/config\x00")), 8: 7})
	// The attachment.
	event := attr(map[int]any{0: unix.PERF_TYPE_TRACEPOINT, 4: unix.PERF_ATTR_SIZE_VER0, 8: 748, 16: 1, 24: unix.PERF_SAMPLE_RAW, 48: 1})
	tr.call(8, unix.SYS_PERF_EVENT_OPEN, tr.put(event), 1<<64-1, 0, 1<<64-1, unix.PERF_FLAG_FD_CLOEXEC)
	tr.call(0, unix.SYS_IOCTL, 8, unix.PERF_EVENT_IOC_SET_BPF, 6)
	tr.call(0, unix.SYS_IOCTL, 8, unix.PERF_EVENT_IOC_ENABLE, 0)
	tr.call(1<<41, unix.SYS_MMAP, 0, 4096, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANON, 1<<64-1, 0)
	tr.call(10, unix.SYS_EPOLL_CREATE1, unix.EPOLL_CLOEXEC)
	tr.call(11, unix.SYS_EVENTFD2, 0, 0)
	tr.call(0, unix.SYS_EPOLL_CTL, 10, unix.EPOLL_CTL_ADD, 11)
	if perf {
		// The rings, with a descriptor of the map that was duplicated.
		tr.call(12, unix.SYS_FCNTL, 5, unix.F_DUPFD_CLOEXEC, 0)
		for cpu := range cpus {
			fd := 13 + cpu
			ring := attr(map[int]any{0: unix.PERF_TYPE_SOFTWARE, 4: unix.PERF_ATTR_SIZE_VER7, 8: unix.PERF_COUNT_SW_BPF_OUTPUT, 24: unix.PERF_SAMPLE_RAW, 40: uint64(unix.PerfBitWatermark), 48: 1})
			tr.call(int64(fd), unix.SYS_PERF_EVENT_OPEN, tr.put(ring), 1<<64-1, uint64(cpu), 1<<64-1, 0)
			tr.call(1<<40, unix.SYS_MMAP, 0, 266240, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED, uint64(fd), 0)
			tr.bpf(0, unix.BPF_MAP_UPDATE_ELEM, map[int]any{0: 12, 8: tr.put([]byte{byte(cpu), 0, 0, 0}), 16: tr.put([]byte{byte(fd), 0, 0, 0})})
			tr.call(0, unix.SYS_EPOLL_CTL, 10, unix.EPOLL_CTL_ADD, uint64(fd))
		}
	} else {
		tr.call(1<<40, unix.SYS_MMAP, 0, 528384, unix.PROT_READ, unix.MAP_SHARED, 5, 4096)
		tr.call(0, unix.SYS_EPOLL_CTL, 10, unix.EPOLL_CTL_ADD, 5)
	}
	tr.call(0, unix.SYS_EPOLL_PWAIT, 10, 0, 1)
	if tr.err != nil || !tr.waits {
		t.Fatalf("waits %t, %v", tr.waits, tr.err)
	}
	return tr
}

// TestDecode: exactly the calls of the chapter, decoded.
func TestDecode(t *testing.T) {
	tr := chapter(t, true, 1)
	want := strings.TrimSpace(`
probe: bpf(BPF_PROG_LOAD, prog_type=Kprobe, insn_cnt=2) = EINVAL
probe: bpf(BPF_BTF_LOAD, btf_size=SIZE) = <BTF of feature_test>
probe: bpf(BPF_MAP_CREATE, map_type=Array, key_size=4, value_size=4, max_entries=1, map_name=feature_test, btf_fd=<BTF of feature_test>, btf_key_type_id=1, btf_value_type_id=1) = <feature_test>
bpf(BPF_BTF_LOAD, btf_size=SIZE) = <BTF of config>
bpf(BPF_MAP_CREATE, map_type=Hash, key_size=4, value_size=13, max_entries=10240, map_flags=BPF_F_NO_PREALLOC|0x100000, map_name=config, btf_fd=<BTF of config>, btf_key_type_id=1, btf_value_type_id=4) = <config>
bpf(BPF_MAP_CREATE, map_type=PerfEventArray, key_size=4, value_size=4, max_entries=1, map_name=output) = <output>
bpf(BPF_PROG_LOAD, prog_type=Kprobe, insn_cnt=44, license="Dual BSD/GPL", prog_name=hello, expected_attach_type=TraceFEntry) = <hello>
bpf(BPF_MAP_UPDATE_ELEM, map_fd=<config>, key=501, value={"message":"Hi user 501!"}, flags=BPF_NOEXIST) = 0
bpf(BPF_OBJ_PIN, pathname="/sys/fs/bpf/config", bpf_fd=<config>) = 0
perf_event_open(type=PERF_TYPE_TRACEPOINT, config=748, sample_period=1, sample_type=PERF_SAMPLE_RAW, wakeup_events=1, pid=-1, cpu=0, group_fd=-1, flags=PERF_FLAG_FD_CLOEXEC) = <tracepoint event>
ioctl(PERF_EVENT_IOC_SET_BPF, fd=<tracepoint event>, prog_fd=<hello>) = 0
ioctl(PERF_EVENT_IOC_ENABLE, fd=<tracepoint event>) = 0
epoll_create1(flags=EPOLL_CLOEXEC) = <epoll>
eventfd2() = <eventfd>
epoll_ctl(EPOLL_CTL_ADD, epfd=<epoll>, fd=<eventfd>) = 0
perf_event_open(type=PERF_TYPE_SOFTWARE, config=PERF_COUNT_SW_BPF_OUTPUT, sample_type=PERF_SAMPLE_RAW, wakeup_watermark=1, pid=-1, cpu=0, group_fd=-1) = <ring of CPU 0>
mmap(length=266240, prot=PROT_READ|PROT_WRITE, fd=<ring of CPU 0>) = address
bpf(BPF_MAP_UPDATE_ELEM, map_fd=<output>, key=0, value=<ring of CPU 0>) = 0
epoll_ctl(EPOLL_CTL_ADD, epfd=<epoll>, fd=<ring of CPU 0>) = 0
epoll_pwait(epfd=<epoll>, maxevents=1) = waits
`)
	raw, _, value := messageBTF(t)
	want = strings.ReplaceAll(want, "SIZE", strconv.Itoa(len(raw)))
	want = strings.ReplaceAll(want, "btf_value_type_id=4", "btf_value_type_id="+strconv.Itoa(int(value)))
	var got []string
	for _, c := range tr.sequence() {
		got = append(got, c.cell())
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestUnreadable: memory that cannot be read ends the trace with the reason.
func TestUnreadable(t *testing.T) {
	tr := newTracee()
	tr.call(3, unix.SYS_BPF, unix.BPF_MAP_CREATE, 0x1000, 128)
	if tr.err == nil || !tr.Enter(1, ptrace.Call{}, tr.space) {
		t.Errorf("it goes on, with error %v", tr.err)
	}
}

// TestString: a string may end at the end of a page, with the next one unmapped.
func TestString(t *testing.T) {
	s := space{0x1000: append(bytes.Repeat([]byte{'x'}, pageBytes-4), "end\x00"...)}
	r := reader{s, nil}
	if got := r.string(0x1000 + pageBytes - 4); got != "end" || r.err != nil {
		t.Errorf("%q, %v", got, r.err)
	}
	if r.string(0x1000 + pageBytes - 1); r.err != nil {
		t.Error(r.err)
	}
	s[0x2000] = []byte("!\x00")
	s[0x1000][pageBytes-1] = '.'
	if got := r.string(0x1000 + pageBytes - 4); got != "end.!" || r.err != nil {
		t.Errorf("over two pages: %q, %v", got, r.err)
	}
}

// FuzzDecode: no system call of a program causes a panic.
func FuzzDecode(f *testing.F) {
	f.Add(uint64(unix.SYS_BPF), uint64(unix.BPF_MAP_UPDATE_ELEM), uint64(3), attr(map[int]any{0: 5, 8: uint64(1 << 32), 16: uint64(1 << 32)}))
	f.Add(uint64(unix.SYS_PERF_EVENT_OPEN), uint64(1)<<32, uint64(0), attr(map[int]any{0: 1, 4: 1 << 30}))
	f.Add(uint64(unix.SYS_IOCTL), uint64(8), uint64(unix.PERF_EVENT_IOC_SET_BPF), []byte{})
	f.Fuzz(func(t *testing.T, number, first, second uint64, memory []byte) {
		tr := chapter(t, true, 1)
		tr.waits = false
		at := tr.put(append(memory, make([]byte, 8)...))
		tr.call(20, number, first, at, second, 0, 7, 0)
		tr.call(21, number, at, first, second, 0, 5, 0)
		for _, c := range tr.sequence() {
			if c.String() == "" {
				t.Error("an empty call")
			}
		}
	})
}
