// SPDX-License-Identifier: MIT

package vocab

import (
	"fmt"
	"strconv"
	"strings"
)

// Shards is how many rings a sharded transport has, as text: cpu (one a CPU), cpu/2 (one
// for two CPUs), 4 (in all). Empty: one a CPU.
type Shards string

// maxShards is more than any machine has CPUs.
const maxShards = 8192

// parse returns the number of rings, or the CPUs that share one; the other is 0.
func (s Shards) parse() (rings, each int, err error) {
	text, perCPU := strings.CutPrefix(string(s), "cpu")
	bad := fmt.Errorf("shards %q: want cpu (one a CPU), cpu/K (one for K CPUs), or how many in all", string(s))
	switch {
	case s == "" || perCPU && text == "":
		return 0, 1, nil
	case perCPU:
		digits, ok := strings.CutPrefix(text, "/")
		if each, err = strconv.Atoi(digits); !ok || err != nil || each < 1 || each > maxShards {
			return 0, 0, bad
		}
		return 0, each, nil
	}
	if rings, err = strconv.Atoi(string(s)); err != nil || rings < 1 || rings > maxShards {
		return 0, 0, bad
	}
	return rings, 0, nil
}

// ParseShards reads a number of shards.
func ParseShards(text string) (Shards, error) {
	_, _, err := Shards(text).parse()
	return Shards(text), err
}

// Rings is the number of rings on a machine of cpus CPUs.
func (s Shards) Rings(cpus int) int {
	rings, each, err := s.parse()
	switch {
	case err != nil:
		return 0
	case rings > 0:
		return rings
	}
	return (cpus + each - 1) / each
}

// Each is how many neighbouring CPUs share a ring; with a number of rings in all it is 1,
// and the CPUs take turns.
func (s Shards) Each() int {
	_, each, _ := s.parse()
	return max(each, 1)
}

// CheckFor rejects more shards than CPUs.
func (s Shards) CheckFor(cpus int) error {
	rings, _, err := s.parse()
	if err == nil && rings > cpus {
		err = fmt.Errorf("%d shards, and %d CPUs: some would never be used", rings, cpus)
	}
	return err
}

// Stage is when a batched transport sends what waits in the buffer of a CPU, as text:
// events=64, bytes=4096, ms=10. Empty: [DefaultStage].
type Stage string

// DefaultStage is the stage unless another is requested.
const DefaultStage Stage = "events=64"

// Limits of a stage. The buffer of a CPU has [StageBytes] bytes: half of what a value of a
// per-CPU map can have.
const (
	StageBytes     = 16 << 10
	maxStageEvents = StageBytes / StormEventBytes
	maxStageMS     = 60_000
)

// Limits of the stage: a number of events, of bytes, and a time, of which one is not 0.
func (s Stage) Limits() (events, bytes, ms int) {
	events, bytes, ms, _ = s.parse()
	return events, bytes, ms
}

func (s Stage) parse() (events, bytes, ms int, err error) {
	if s == "" {
		s = DefaultStage
	}
	kind, number, _ := strings.Cut(string(s), "=")
	n, err := strconv.Atoi(number)
	switch {
	case err != nil || n < 1:
	case kind == "events" && n <= maxStageEvents:
		return n, 0, 0, nil
	case kind == "bytes" && n <= StageBytes:
		return 0, n, 0, nil
	case kind == "ms" && n <= maxStageMS:
		return 0, 0, n, nil
	}
	return 0, 0, 0, fmt.Errorf("stage %q: want events=N up to %d, bytes=N up to %d, or ms=N up to %d", string(s), maxStageEvents, StageBytes, maxStageMS)
}

// ParseStage reads a stage.
func ParseStage(text string) (Stage, error) {
	_, _, _, err := Stage(text).parse()
	return Stage(text), err
}

// For is the stage, or its default: [DefaultStage], or a quarter of a ring that is too small
// for it.
func (s Stage) For(n, ringBytes int) Stage {
	events, _, _ := s.Limits()
	if s == "" && events*roundUp8(n) > ringBytes/4 {
		return Stage(fmt.Sprintf("bytes=%d", max(min(ringBytes/4, StageBytes), roundUp8(n))))
	}
	return s
}

// CheckFor rejects a stage that a CPU's buffer never fills with events of n bytes, or into
// which none fits.
func (s Stage) CheckFor(n, events, ringBytes int) error {
	want, bytes, _, err := s.parse()
	each, given := roundUp8(n), s != ""
	if !given {
		s = DefaultStage
	}
	switch {
	case err != nil:
		return err
	case each > StageBytes:
		return fmt.Errorf("an event of %d bytes does not fit into the %d bytes in which events wait", n, StageBytes)
	case want*each > StageBytes:
		return fmt.Errorf("%s: %d events of %d bytes are more than the %d bytes in which they wait: it would never fill", s, want, each, StageBytes)
	case bytes > 0 && bytes < each:
		return fmt.Errorf("%s: an event takes %d", s, each)
	case given && want > events:
		return fmt.Errorf("%s: the trial has %d events: it would never fill", s, events)
	case min(StageBytes, max(want*each, bytes, each))+ringHeaderBytes > ringBytes-1:
		return fmt.Errorf("%s: a record of that many does not fit into a ring of %d bytes", s, ringBytes)
	}
	return nil
}

// Sizes is the distribution of the sizes of a storm's events, as text: classes of sixteen
// events, COUNTxBYTES with a + between: 15x64+1x2048. Empty: all have the same size.
type Sizes string

// SizeClasses is how many events a distribution describes.
const SizeClasses = 16

// The distributions that have names.
var namedSizes = map[string]Sizes{
	"two":   "8x64+8x512",
	"heavy": "8x64+4x128+2x256+1x512+1x2048",
}

// ParseSizes reads a distribution.
func ParseSizes(text string) (Sizes, error) {
	if named, ok := namedSizes[text]; ok {
		return named, nil
	}
	_, err := Sizes(text).parse()
	return Sizes(text), err
}

func (s Sizes) parse() (all [SizeClasses]int, err error) {
	if named, ok := namedSizes[string(s)]; ok {
		s = named
	}
	n := 0
	for part := range strings.SplitSeq(string(s), "+") {
		count, bytes, ok := strings.Cut(part, "x")
		c, err1 := strconv.Atoi(count)
		b, err2 := strconv.Atoi(bytes)
		if !ok || err1 != nil || err2 != nil || c < 1 || b < StormEventBytes || b > maxSizeBytes || n+c > SizeClasses {
			return all, fmt.Errorf("sizes %q: want COUNTxBYTES with + between, %d events in all, of %d to %d bytes: 15x64+1x2048, or two, heavy", string(s), SizeClasses, StormEventBytes, maxSizeBytes)
		}
		for range c {
			all[n] = b
			n++
		}
	}
	if n != SizeClasses {
		return all, fmt.Errorf("sizes %q: %d events, want %d", string(s), n, SizeClasses)
	}
	return all, nil
}

const maxSizeBytes = 32 << 10

// Table is the size of each class, in the order in which a program uses them; nil: all
// events have the same size.
func (s Sizes) Table() []int {
	if s == "" {
		return nil
	}
	all, _ := s.parse()
	return all[:]
}

// Most is the largest size.
func (s Sizes) Most() int {
	most := 0
	for _, n := range s.Table() {
		most = max(most, n)
	}
	return most
}

// SizeOf is the size of the event with this number on its CPU, of a table of
// [SizeClasses]: once in sixteen events each class, in an order that is no pattern of the
// load's. bytes_of() of bpf/twin.bpf.c.
func SizeOf(table []int, seq uint32) int { return table[seq*7%SizeClasses] }
