// SPDX-License-Identifier: MIT

// Package facts verifies statements about the two transports, and about the lifetimes of
// programs, maps and links, by experiments on the running kernel.
//
// A [Statement] is one sentence with its source and an experiment of some
// milliseconds: small rings, few events, programs of some instructions that are
// assembled here and run by BPF_PROG_TEST_RUN. A [Grid] is statements by kernels.
//
// It does not boot kernels. Experiments of one process run one after the other: they pin
// threads to CPUs and change the limits of the process.
package facts
