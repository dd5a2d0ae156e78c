// SPDX-License-Identifier: MIT

// Package bpf holds the twins: BPF programs on execve that differ in the event
// transport alone. It loads one twin, attaches it, and reads what it counted.
//
// It does not read events (harness/transport does) and knows nothing of trials
// or virtual machines. A Twin may be used by one goroutine at a time, except
// that SetMessage may be called while the program runs.
package bpf
