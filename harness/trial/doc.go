// SPDX-License-Identifier: MIT

// Package trial measures: it attaches a twin, lets the workload run, drains the
// transport and counts what arrived against what the workload really did.
//
// It measures and counts, and judges nothing: whether the counts can be true is
// the business of harness/ledger. A Runner is for one goroutine.
package trial
