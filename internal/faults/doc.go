// SPDX-License-Identifier: MIT

// Package faults breaks what ringtwin depends on, at random times. It checks that each
// fault is classified correctly and in time, that no earlier measurement is lost, and
// that nothing is left behind.
//
// All of it is tests: they run the real program on real kernels, with a guest that
// injects faults on request (the build tag faults, see vmtest/guest/faultagent.go). The
// schedule is a function of the seed alone.
package faults
