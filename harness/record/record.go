// SPDX-License-Identifier: MIT

// Package record is the result format ringtwin/trial/v1: one JSON object a line.
//
// It defines, reads and writes the records; it computes nothing. An unknown field is a
// read error, so that a newer file is never partly understood. A new field is optional
// and keeps the version. Removing a field, or changing its meaning, takes a new version.
package record

import "github.com/ringtwin/ringtwin/harness/vocab"

// Schema names the format of this package's [Trial].
const Schema = "ringtwin/trial/v1"

// Status is how a planned cell ended.
type Status string

// The statuses. Every planned cell ends in exactly one.
const (
	OK          Status = "ok"
	Invalid     Status = "invalid"      // the ledger does not balance
	Unsupported Status = "unsupported"  // the kernel lacks what the cell needs
	Refused     Status = "refused"      // by the verifier
	FetchFailed Status = "fetch-failed" // no kernel to boot
	BootFailed  Status = "boot-failed"  // the guest never said ready
	Panic       Status = "panic"
	Splat       Status = "splat"
	Hang        Status = "hang"
	Timeout     Status = "timeout"
	Lost        Status = "lost" // the VM ended before it answered
	Cancelled   Status = "cancelled"
	Failed      Status = "failed" // the harness could not measure it
)

// Statuses lists all of them, best first.
func Statuses() []Status {
	return []Status{OK, Invalid, Unsupported, Refused, FetchFailed, BootFailed, Panic, Splat, Hang, Timeout, Lost, Failed, Cancelled}
}

// Trial is one measured run of a cell, or the reason why it is missing.
type Trial struct {
	Schema string `json:"schema"`
	// ID is unique in a run: kernel, cell, block and position.
	ID     string `json:"id"`
	Status Status `json:"status"`
	// Reason says in a line why the status is not ok.
	Reason string `json:"reason,omitempty"`

	Kernel  Kernel  `json:"kernel"`
	Machine Machine `json:"machine"`
	Cell    Cell    `json:"cell"`
	Trial   Place   `json:"trial"`
	// Tool is what measured it; records made before there was this field lack it.
	Tool *Tool `json:"tool,omitempty"`

	// The rest is absent where nothing was measured.
	Counts  *Counts  `json:"counts,omitempty"`
	Latency *Latency `json:"latency_ns,omitempty"` // from the program's time stamp
	// Intended is from when the trigger should have been, where there is a rate.
	Intended *Latency `json:"latency_intended_ns,omitempty"`
	Cost     *Cost    `json:"cost,omitempty"`
	Rate     *Rate    `json:"rate,omitempty"`
	Memory   *Memory  `json:"memory,omitempty"`
	// Order is how far events are from the order of their time stamps.
	Order *Order `json:"order,omitempty"`
	// Victims is what became of the events of producers beside one that floods.
	Victims *Victims `json:"victims,omitempty"`
	// RecoveryNS is from the last event before a ring was first full to the first after
	// it was last full, by the events' time stamps; 0: it was never full, or never
	// recovered.
	RecoveryNS int64 `json:"recovery_ns,omitempty"`
	// Disturbance is what of it the kernel knows; records made before there was
	// this field lack it.
	Disturbance *Disturbance `json:"disturbance,omitempty"`
	// Profile is where its instructions went, if that was asked for.
	Profile *Profile    `json:"profile,omitempty"`
	Ledger  []Invariant `json:"ledger,omitempty"`
}

// Kernel is what was booted.
type Kernel struct {
	Want    string       `json:"want"`              // as the user named it
	Release string       `json:"release"`           // as uname(2) says it
	Source  string       `json:"source"`            // apt, mainline, oci, file, tree, host
	Package string       `json:"package,omitempty"` // name=version
	SHA256  string       `json:"sha256,omitempty"`  // of the image
	Config  KernelConfig `json:"config"`
}

// KernelConfig is the part of a kernel's configuration that affects figures.
type KernelConfig struct {
	Preempt string `json:"preempt,omitempty"` // as it ran: none, voluntary, full, lazy, rt
	HZ      int    `json:"hz,omitempty"`
	BTF     bool   `json:"btf"`
}

// Machine is the machine of a trial.
type Machine struct {
	Backend     string `json:"backend"` // qemu, vng, or [Host]
	Accel       string `json:"accel"`   // kvm, tcg, none
	Clock       string `json:"clock"`   // wall, virtual
	CPUs        int    `json:"cpus"`
	MemoryBytes int64  `json:"memory_bytes"`
	CPUModel    string `json:"cpu_model,omitempty"`
	Version     string `json:"version,omitempty"` // of the backend
	Warm        bool   `json:"warm"`
	Command     string `json:"command,omitempty"`
}

// Host is the backend of trials on the running kernel, without a VM.
const Host = "host"

// The clocks of figures.
const (
	Wall    = "wall"
	Virtual = "virtual" // one nanosecond an instruction, under QEMU's icount
)

// Publishable reports whether wall-clock figures of this machine may be shown as such.
// They may not if the guest's instructions were emulated. In virtual time figures are
// instruction counts, the same on every host.
func (m Machine) Publishable() bool { return m.Accel != "tcg" || m.Clock == Virtual }

// Tool is the build of ringtwin that ran the trial. It does not depend on where or when
// it ran.
type Tool struct {
	Version  string `json:"version,omitempty"`  // of the module
	Commit   string `json:"commit,omitempty"`   // empty: not known
	Modified bool   `json:"modified,omitempty"` // the tree had changes that are in no commit
	// Objects identifies the BPF programs and the load: the first 16 hexadecimal digits
	// of a SHA-256 of their files.
	Objects string `json:"objects"`
}

// Objects identifies the BPF programs of a trial; empty: not known.
func (t *Trial) Objects() string {
	if t.Tool == nil {
		return ""
	}
	return t.Tool.Objects
}

// Cell is one point of the plan.
type Cell struct {
	Transport vocab.Transport `json:"transport"`
	Policy    vocab.Policy    `json:"policy"` // who wakes the reader and when
	// FlushMS is after how long the reader looks although nobody woke it; 0: never.
	FlushMS  int            `json:"flush_ms"`
	Attach   vocab.Attach   `json:"attach"` // as used, never auto
	Workload vocab.Workload `json:"workload"`
	// Events is what all producers together try to send.
	Events int `json:"events"`
	// Batch is the events that one trigger causes: 1 for an execve.
	Batch        int     `json:"batch"`
	RateHz       float64 `json:"rate_hz"`       // events a second; 0: as fast as possible
	PayloadBytes int     `json:"payload_bytes"` // what the program hands over for one event
	RingBytes    int     `json:"ring_bytes"`    // of one ring
	// RingBytesTotal is RingBytes times the rings that the transport has.
	RingBytesTotal int `json:"ring_bytes_total"`
	// Equal is what both transports have the same of: total, or each ring's bytes.
	Equal     vocab.Equal     `json:"equal"`
	Producers int             `json:"producers"`
	Placement vocab.Placement `json:"placement"` // where producers run
	// ReaderStallMS is how long the reader sleeps, from the start on, before
	// it first reads, or [UntilOver]; ReaderDelayNS how long it works on each event.
	ReaderStallMS int `json:"reader_stall_ms"`
	ReaderDelayNS int `json:"reader_delay_ns"`
	// Reader is what reads; empty: the transport's default.
	Reader vocab.Reader `json:"reader,omitempty"`
	// Shards is how many rings a sharded transport has, and Stage when a batched one
	// sends; empty: the default, or another transport.
	Shards vocab.Shards `json:"shards,omitempty"`
	Stage  vocab.Stage  `json:"stage,omitempty"`
	// Content is what an event holds; empty: all that the ledger needs.
	Content vocab.Content `json:"content,omitempty"`
	// Sizes is the distribution of the sizes of events; empty: all have PayloadBytes.
	Sizes vocab.Sizes `json:"sizes,omitempty"`
	// Offline is a CPU that is offline for a while, ReaderCPU what the reader gets of its
	// CPU, and Flood how many events one more producer sends as fast as it can; empty or
	// 0: none, all, none.
	Offline   vocab.Offline   `json:"offline,omitempty"`
	ReaderCPU vocab.ReaderCPU `json:"reader_cpu,omitempty"`
	Flood     int             `json:"flood,omitempty"`
	// Agent is the agent whose arrangement this is; empty: none.
	Agent string `json:"agent,omitempty"`
	// Fault names what selftest injects; empty in a measurement.
	Fault vocab.Fault `json:"fault,omitempty"`
}

// Configuration is the transport with its policy, and what else is not the default of a
// side, as a plan has it; or the agent whose arrangement it is.
func (c *Cell) Configuration() string {
	if c.Agent != "" {
		return c.Agent
	}
	text := string(c.Transport)
	if c.Policy != "" {
		text += "/" + string(c.Policy)
	}
	for _, option := range []struct{ key, value string }{{"reader", string(c.Reader)}, {"shards", string(c.Shards)}, {"stage", string(c.Stage)}, {"content", string(c.Content)}} {
		if option.value != "" {
			text += "," + option.key + "=" + option.value
		}
	}
	return text
}

// ReaderOrDefault is what reads.
func (c *Cell) ReaderOrDefault() vocab.Reader {
	if c.Reader == "" {
		return c.Transport.DefaultReader()
	}
	return c.Reader
}

// MostKept is how many events a trial can keep, in order to check each.
const MostKept = 1_000_000

// TotalsOnly reports whether nothing is known of a single event.
func (c *Cell) TotalsOnly() bool {
	return c.Content == vocab.Bare || c.Transport.Spec().Family.Totals
}

// UntilOver is the stall of a reader that sleeps until the workload has ended. The events
// left for it then depend only on the sizes of the rings.
const UntilOver = -1

// The purposes of a configuration.
const (
	// ShowsDelivery is for counts of delivery, loss and order, on several CPUs at once.
	ShowsDelivery = "delivery"
	// ShowsCosts is for the cost and the latency of an event.
	ShowsCosts = "costs"
)

// Place identifies a trial among those of a cell.
type Place struct {
	Run  string `json:"run"`  // names the run that it is of
	Plan string `json:"plan"` // name of the plan that wants it
	// Configuration is the number of the configuration in the plan, from 0. Both sides of a
	// comparison share it. Scenario is the name that the plan gave it.
	Configuration int    `json:"setup"`
	Scenario      string `json:"scenario,omitempty"`
	// Shows is what the plan has the configuration for, delivery or costs: what else is
	// measured explains. Empty: for both.
	Shows    string `json:"shows,omitempty"`
	Side     string `json:"side"`     // A or B
	Trials   int    `json:"trials"`   // how many were wanted of this kernel in machines of this clock, until then
	Block    int    `json:"block"`    // from 0; the two-sided block is what statistics count
	Position int    `json:"position"` // in the block of the configuration, from 0
	Order    string `json:"order"`    // of the block, as ABBA or ABAB: each pair AB or BA as drawn; in a sweep that of each step
	// Step is the step of a sweep, from 1; 0: none. Each side chooses the rate of
	// a step by what it lost before.
	Step    int    `json:"step,omitempty"`
	Seed    uint64 `json:"seed"`
	Started string `json:"started"` // RFC 3339, the host's clock
}

// Counts are events, unless they say otherwise.
type Counts struct {
	// Started is the ground truth: triggers that the workload really made, each
	// the cause of as many events as the cell's batch.
	Started uint64 `json:"started"`
	// Triggers is those that the program saw, Foreign those of others.
	Triggers  uint64 `json:"triggers"`
	Foreign   uint64 `json:"foreign"`
	Misses    uint64 `json:"misses"` // runs that the kernel skipped (recursion)
	Attempts  uint64 `json:"attempts"`
	Submitted uint64 `json:"submitted"`
	Discarded uint64 `json:"discarded"`
	// Failed counts refused events by errno name.
	Failed map[string]uint64 `json:"failed"`
	// FailedCPUs are the CPUs of refusals that have another cause than a full ring.
	FailedCPUs map[string][]int `json:"failed_cpus,omitempty"`
	Delivered  uint64           `json:"delivered"`
	// Drained is how many of the delivered came only with the final flush.
	Drained uint64 `json:"drained"`
	// Residual is events still in the rings at the end.
	Residual uint64 `json:"residual"`
	// Staged is events that were not sent in the end, since they waited for others;
	// Records is the records of several events each that were. Of a batched transport.
	Staged  uint64 `json:"staged,omitempty"`
	Records uint64 `json:"records,omitempty"`
	// Overwritten is the submitted events whose place newer ones took, Fits how many must
	// remain by the formula, and MissingNewest those missing that are newer than the
	// oldest that remained on their CPU. Of a flight recorder.
	Overwritten   uint64 `json:"overwritten,omitempty"`
	Fits          uint64 `json:"fits,omitempty"`
	MissingNewest uint64 `json:"missing_newest,omitempty"`
	// FootprintBytes is what the delivered events took in the rings, where their sizes
	// differ.
	FootprintBytes uint64 `json:"footprint_bytes,omitempty"`
	// LostReported is the sum of PERF_RECORD_LOST until the rings were empty;
	// LostTail is what came in front of one more event a CPU after that.
	LostReported uint64 `json:"lost_reported"`
	LostTail     uint64 `json:"lost_tail"`

	Duplicates uint64 `json:"duplicates"` // CPU and sequence number seen before
	Torn       uint64 `json:"torn"`       // checksum or payload does not hold
	Misshaped  uint64 `json:"misshaped"`  // length is not what the formula says
	// MissingTokens are started programs without an event, UnknownTokens the
	// reverse.
	MissingTokens uint64 `json:"missing_tokens"`
	UnknownTokens uint64 `json:"unknown_tokens"`
	// Mismatched events differ from the truth in pid, uid, message or command.
	Mismatched uint64 `json:"mismatched"`
	// SeqGaps are sequence numbers that were stamped and did not arrive.
	SeqGaps uint64 `json:"seq_gaps"`
	// InversionsCPU are sequence numbers below an earlier one of the same CPU;
	// InversionsGlobal time stamps below an earlier one of any CPU (legal).
	InversionsCPU    uint64 `json:"inversions_cpu"`
	InversionsGlobal uint64 `json:"inversions_global"`

	// ProducerBytes and ConsumerBytes are the positions of the BPF ring buffer
	// after the drain; 0 for the perf buffer.
	ProducerBytes uint64 `json:"producer_bytes"`
	ConsumerBytes uint64 `json:"consumer_bytes"`
}

// FailedTotal sums Failed.
func (c *Counts) FailedTotal() uint64 {
	var n uint64
	for _, count := range c.Failed {
		n += count
	}
	return n
}

// Latency is nanoseconds from one time stamp to user space, of the events that
// were delivered: survivors.
type Latency struct {
	N        int64 `json:"n"`
	P50      int64 `json:"p50"`
	P90      int64 `json:"p90"`
	P99      int64 `json:"p99"`
	P999     int64 `json:"p999"`
	P9999    int64 `json:"p9999"`
	Max      int64 `json:"max"`
	Negative int64 `json:"negative"` // stamps later than their arrival; not in the histogram
	// WithLost are the percentiles of all events that should have arrived.
	WithLost *Quantiles `json:"with_lost,omitempty"`
	// HDR is the histogram, HdrHistogram V2 compressed, base64.
	HDR string `json:"hdr,omitempty"`
}

// Quantiles are nanoseconds; a lost event took forever, which is [Never].
type Quantiles struct {
	N     int64 `json:"n"` // events, lost ones included
	P50   int64 `json:"p50"`
	P90   int64 `json:"p90"`
	P99   int64 `json:"p99"`
	P999  int64 `json:"p999"`
	P9999 int64 `json:"p9999"`
}

// Never is the latency of an event that was lost.
const Never = -1

// Cost is what the transport took.
type Cost struct {
	// ProducerNSPerEvent is the program's run time, output call included, for
	// each event that it tried to send, as the kernel measured it.
	ProducerNSPerEvent float64 `json:"producer_ns_per_event"`
	// ControlNSPerTrigger is the CPU time that a trigger takes the producer with
	// an empty program attached, and ProducerCPUNSPerEvent what each event that
	// was tried takes beyond that: wake-ups included. Storm only.
	ControlNSPerTrigger   float64 `json:"control_ns_per_trigger,omitempty"`
	ProducerCPUNSPerEvent float64 `json:"producer_cpu_ns_per_event,omitempty"`
	// ControlRunNS is the run time of an empty program, for each run: what the
	// kernel's own clock readings take. Storm only.
	ControlRunNS float64 `json:"control_run_ns,omitempty"`
	// ProducerCPUMedianNSPerEvent is the same in the median stretch of 64, control
	// and trial alike: interrupts that happen to fall into the trial are in few.
	ProducerCPUMedianNSPerEvent float64 `json:"producer_cpu_median_ns_per_event,omitempty"`
	// ConsumerCPUNSPerEvent is the CPU time of the reading thread.
	ConsumerCPUNSPerEvent float64 `json:"consumer_cpu_ns_per_event"`
	// The same as instructions, which is known in virtual time only: of the
	// producer above the control, and of the consumer.
	InstructionsPerEvent         float64 `json:"instructions_per_event,omitempty"`
	ConsumerInstructionsPerEvent float64 `json:"consumer_instructions_per_event,omitempty"`
	// Wakeups is how often the reading thread slept and was woken.
	Wakeups         int64   `json:"wakeups"`
	EventsPerWakeup float64 `json:"events_per_wakeup"`
	// ContextSwitches of the reading thread, voluntary and not.
	ContextSwitches int64 `json:"context_switches"`
}

// Rate is events a second.
type Rate struct {
	OfferedHz   float64 `json:"offered_hz"` // 0: as fast as possible
	AchievedHz  float64 `json:"achieved_hz"`
	DeliveredHz float64 `json:"delivered_hz"`
	DurationNS  int64   `json:"duration_ns"` // first start to last exit
}

// Memory is counted alike for both transports.
type Memory struct {
	// MapBytes is what the event map itself takes in the kernel, LockedBytes
	// what its rings lock: data pages once, and the pages of positions.
	MapBytes    int64 `json:"map_bytes"`
	LockedBytes int64 `json:"locked_bytes"`
	RSSBytes    int64 `json:"rss_bytes"` // of the reading process
}

// Order is how long a reader must hold events back to sort them by their time stamps: for
// each event, by how much an earlier one's stamp is later; 0 for all that are in order.
type Order struct {
	N     int64 `json:"n"` // events that came late
	P999  int64 `json:"p999_ns"`
	MaxNS int64 `json:"max_ns"`
}

// Victims are the events of the producers that do not flood.
type Victims struct {
	Sent    uint64 `json:"sent"`
	Missing uint64 `json:"missing"`
}

// Disturbance is what kept the pinned threads of a trial, its producers and its
// reader, from running while there was something for them to do.
type Disturbance struct {
	// StealNS is what a hypervisor took from the trial's CPUs, in steps of 10 ms.
	StealNS int64 `json:"steal_ns"`
	// RunDelayNS is how long the threads together waited for a CPU.
	RunDelayNS int64 `json:"run_delay_ns"`
	// ForcedSwitches is how often another took their CPU away.
	ForcedSwitches int64 `json:"forced_switches"`
}

// Invariant is one line of the ledger.
type Invariant struct {
	Invariant string `json:"invariant"`
	Holds     bool   `json:"holds"`
	Detail    string `json:"detail"` // with the figures
}
