// SPDX-License-Identifier: MIT

// Package trial measures: it attaches a twin, runs the workload, drains the transport and
// compares the events with the ground truth of the workload.
//
// It does not check the counts: harness/ledger does. A Runner is for one goroutine.
package trial
