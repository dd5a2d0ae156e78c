// SPDX-License-Identifier: MIT

package vocab

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Policy is who wakes the reader and when, as text: every, batch=64. For a ring buffer
// the program sets it with each record; for a perf buffer the reader does when it opens
// the rings.
type Policy string

// PolicyKind is a policy without its number.
type PolicyKind string

// The kinds of policies.
const (
	Adaptive     PolicyKind = "adaptive"
	Every        PolicyKind = "every"
	Batch        PolicyKind = "batch"
	WakeupEvents PolicyKind = "wakeup_events"
	Watermark    PolicyKind = "watermark"
	Timer        PolicyKind = "timer"
)

// PolicySpec describes a kind of policy.
type PolicySpec struct {
	Kind PolicyKind
	Unit string // what its number counts; empty: it has none
	Text string // who wakes the reader
}

var policies = []PolicySpec{
	{Adaptive, "", "the kernel, when the reader has caught up"},
	{Every, "", "every event"},
	{Batch, "N", "the program, once N events wait"},
	{WakeupEvents, "N", "the kernel, on every Nth event of a CPU"},
	{Watermark, "BYTES", "the kernel, after more than so many bytes of a CPU"},
	{Timer, "", "nobody: the reader looks by itself, every flush_ms"},
}

// Policies lists all kinds.
func Policies() []PolicySpec { return slices.Clone(policies) }

// Spec returns the description of the kind.
func (k PolicyKind) Spec() PolicySpec {
	for _, s := range policies {
		if s.Kind == k {
			return s
		}
	}
	return PolicySpec{Kind: k}
}

// Usage is the syntax of the kind: batch=N.
func (k PolicyKind) Usage() string {
	if unit := k.Spec().Unit; unit != "" {
		return string(k) + "=" + unit
	}
	return string(k)
}

// Kind is the policy without its number.
func (p Policy) Kind() PolicyKind {
	kind, _, _ := strings.Cut(string(p), "=")
	return PolicyKind(kind)
}

// N is its number: of [Batch] and [WakeupEvents] events, of [Watermark] bytes, else 0.
func (p Policy) N() int {
	_, number, _ := strings.Cut(string(p), "=")
	n, _ := strconv.Atoi(number)
	return n
}

// DefaultPolicy is the transport's policy unless another is requested.
func (t Transport) DefaultPolicy() Policy {
	if all := t.Spec().Family.Policies; len(all) > 0 {
		return Policy(all[0])
	}
	return ""
}

// Policies lists the policies of the transport, as text.
func (t Transport) Policies() []string { return names(t.Spec().Family.Policies, PolicyKind.Usage) }

// ParsePolicy reads a policy of the transport: "every", "batch=64".
func (t Transport) ParsePolicy(text string) (Policy, error) {
	kind, number, hasN := strings.Cut(text, "=")
	bad := fmt.Errorf("policy %q of %s: want one of %s", text, t, strings.Join(t.Policies(), ", "))
	spec := PolicyKind(kind).Spec()
	if !slices.Contains(t.Spec().Family.Policies, spec.Kind) || hasN != (spec.Unit != "") {
		return "", bad
	}
	if !hasN {
		return Policy(spec.Kind), nil
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > math.MaxInt32 {
		return "", bad
	}
	return Policy(fmt.Sprintf("%s=%d", spec.Kind, n)), nil
}

// CheckPolicy rejects a policy that would not wake the reader before the ring is full.
func (t Transport) CheckPolicy(p Policy, ringBytes, eventBytes int) error {
	capacity := t.Capacity(ringBytes, eventBytes)
	switch kind, n := p.Kind(), p.N(); {
	case (kind == Batch || kind == WakeupEvents) && n > capacity:
		return fmt.Errorf("%s: a ring of %d bytes holds %d events of %d bytes, %d > %d: it is full before it wakes", p, ringBytes, capacity, eventBytes, n, capacity)
	case kind == Watermark && n >= ringBytes:
		return fmt.Errorf("%s: not below the %d bytes of the ring: it is full before it wakes", p, ringBytes)
	}
	return nil
}
