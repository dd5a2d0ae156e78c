// SPDX-License-Identifier: MIT

//go:build 386 || amd64

package bpf

import (
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
