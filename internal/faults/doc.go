// SPDX-License-Identifier: MIT

// Package faults breaks what ringtwin depends on, at random times, and checks
// that each fault is called by its name, in time, that nothing which was
// measured before is lost, and that nothing is left behind.
//
// All of it is tests: they run the real program, with a guest that misbehaves
// when it is told to (the build tag faults, see vmtest/guest/faultagent.go), on
// real kernels. The schedule is a function of the seed alone.
package faults
