// SPDX-License-Identifier: MIT

//go:build 386 || amd64

package bpf

import (
	"crypto/sha256"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// make generate installs the pinned compiler first. CI compares what it makes
// with what is here.

//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target amd64 -go-package bpf -output-stem twinringbuf twinRingbuf twin.bpf.c -- -I/usr/include/x86_64-linux-gnu -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -mcpu=v2 -DTRANSPORT_RINGBUF
//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target amd64 -go-package bpf -output-stem twinringbufoutput twinRingbufOutput twin.bpf.c -- -I/usr/include/x86_64-linux-gnu -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -mcpu=v2 -DTRANSPORT_RINGBUF_OUTPUT
//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target amd64 -go-package bpf -output-stem twinperf twinPerf twin.bpf.c -- -I/usr/include/x86_64-linux-gnu -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -mcpu=v2 -DTRANSPORT_PERF

// objects are the twins' object files, each parsed once: that takes longer than the
// kernel takes to load one.
var objects = map[vocab.Transport]func() (*ebpf.CollectionSpec, error){
	vocab.Perf:          sync.OnceValues(loadTwinPerf),
	vocab.Ringbuf:       sync.OnceValues(loadTwinRingbuf),
	vocab.RingbufOutput: sync.OnceValues(loadTwinRingbufOutput),
}

// Digest is the SHA-256 of the SHA-256 of each twin's object file, by file name: two
// builds with the same digest run the same programs.
func Digest() [sha256.Size]byte {
	h := sha256.New()
	for _, object := range [][]byte{_TwinPerfBytes, _TwinRingbufBytes, _TwinRingbufOutputBytes} {
		sum := sha256.Sum256(object)
		h.Write(sum[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}
