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

//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target amd64 -go-package bpf -output-stem twinringbuf twinRingbuf twin.bpf.c -- -I. -I/usr/include/x86_64-linux-gnu -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -mcpu=v2 -DTRANSPORT=<send/ringbuf.h>
//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target amd64 -go-package bpf -output-stem twinringbufoutput twinRingbufOutput twin.bpf.c -- -I. -I/usr/include/x86_64-linux-gnu -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -mcpu=v2 -DTRANSPORT=<send/ringbuf_output.h>
//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target amd64 -go-package bpf -output-stem twinperf twinPerf twin.bpf.c -- -I. -I/usr/include/x86_64-linux-gnu -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -mcpu=v2 -DTRANSPORT=<send/perf.h>
//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target amd64 -go-package bpf -output-stem twinringbufsharded twinRingbufSharded twin.bpf.c -- -I. -I/usr/include/x86_64-linux-gnu -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -mcpu=v2 -DTRANSPORT=<send/ringbuf_sharded.h>
//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target amd64 -go-package bpf -output-stem twinringbufbatched twinRingbufBatched twin.bpf.c -- -I. -I/usr/include/x86_64-linux-gnu -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -mcpu=v2 -DTRANSPORT=<send/ringbuf_batched.h>
//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target amd64 -go-package bpf -output-stem twinringbufdynptr twinRingbufDynptr twin.bpf.c -- -I. -I/usr/include/x86_64-linux-gnu -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -mcpu=v2 -DTRANSPORT=<send/ringbuf_dynptr.h>
//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target amd64 -go-package bpf -output-stem twinarraypolled twinArrayPolled twin.bpf.c -- -I. -I/usr/include/x86_64-linux-gnu -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -mcpu=v2 -DTRANSPORT=<send/array_polled.h>
//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target amd64 -go-package bpf -output-stem twincountonly twinCountOnly twin.bpf.c -- -I. -I/usr/include/x86_64-linux-gnu -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -mcpu=v2 -DTRANSPORT=<send/count_only.h>

// twins are the object files, in the order of their names, and the transports that each is
// of. The flight recorders run the programs of others: only their rings differ.
var twins = []struct {
	bytes *[]byte
	parse func() (*ebpf.CollectionSpec, error)
	of    []vocab.Transport
}{
	{&_TwinArrayPolledBytes, loadTwinArrayPolled, []vocab.Transport{vocab.ArrayPolled}},
	{&_TwinCountOnlyBytes, loadTwinCountOnly, []vocab.Transport{vocab.CountOnly}},
	{&_TwinPerfBytes, loadTwinPerf, []vocab.Transport{vocab.Perf, vocab.PerfOverwrite}},
	{&_TwinRingbufBytes, loadTwinRingbuf, []vocab.Transport{vocab.Ringbuf, vocab.RingbufOverwrite}},
	{&_TwinRingbufBatchedBytes, loadTwinRingbufBatched, []vocab.Transport{vocab.RingbufBatched}},
	{&_TwinRingbufDynptrBytes, loadTwinRingbufDynptr, []vocab.Transport{vocab.RingbufDynptr}},
	{&_TwinRingbufOutputBytes, loadTwinRingbufOutput, []vocab.Transport{vocab.RingbufOutput}},
	{&_TwinRingbufShardedBytes, loadTwinRingbufSharded, []vocab.Transport{vocab.RingbufSharded}},
}

// objects are the twins' object files, each parsed once: that takes longer than the
// kernel takes to load one.
var objects = func() map[vocab.Transport]func() (*ebpf.CollectionSpec, error) {
	all := map[vocab.Transport]func() (*ebpf.CollectionSpec, error){}
	for _, twin := range twins {
		parse := sync.OnceValues(twin.parse)
		for _, transport := range twin.of {
			all[transport] = parse
		}
	}
	return all
}()

// Digest is the SHA-256 of the SHA-256 of each twin's object file, by file name: two
// builds with the same digest run the same programs.
func Digest() [sha256.Size]byte {
	h := sha256.New()
	for _, twin := range twins {
		sum := sha256.Sum256(*twin.bytes)
		h.Write(sum[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}
