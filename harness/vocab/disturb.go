// SPDX-License-Identifier: MIT

package vocab

import (
	"fmt"
	"strconv"
	"strings"
)

// Content is what an event holds.
type Content string

// The contents.
const (
	// Full is all that the ledger needs to tell events apart.
	Full Content = ""
	// Bare is as many bytes as asked for, and nothing in them: only totals are known, and
	// no bookkeeping is measured.
	Bare Content = "bare"
)

// ParseContent reads a content.
func ParseContent(text string) (Content, error) {
	if e := Content(text); e == Full || e == Bare {
		return e, nil
	}
	return "", fmt.Errorf("content %q: want bare, or nothing for full ones", text)
}

// Offline is a CPU that is offline for a while, as text: 1 (while the trial runs),
// 1/returns (when the reader opens its rings, but not when the load starts), 1/leaves
// (after that, and back when the load starts). Empty: none.
type Offline string

// The times at which a CPU is offline.
const (
	Stays   = ""
	Returns = "returns"
	Leaves  = "leaves"
)

// CPU is the number of the CPU, and when it is offline; -1: none is.
func (o Offline) CPU() (cpu int, when string) {
	number, when, _ := strings.Cut(string(o), "/")
	cpu, err := strconv.Atoi(number)
	if err != nil {
		return -1, ""
	}
	return cpu, when
}

// ParseOffline reads a CPU that is offline.
func ParseOffline(text string) (Offline, error) {
	if text == "" {
		return "", nil
	}
	cpu, when := Offline(text).CPU()
	if _, after, ok := strings.Cut(text, "/"); cpu >= 0 && (when == Returns || when == Leaves || !ok && after == "") {
		return Offline(text), nil
	}
	return "", fmt.Errorf("offline CPU %q: want N, N/returns, or N/leaves", text)
}

// CheckFor rejects a CPU that a machine of cpus CPUs does not have, or cannot be without.
func (o Offline) CheckFor(cpus int) error {
	switch cpu, _ := o.CPU(); {
	case o == "":
		return nil
	case cpu >= cpus:
		return fmt.Errorf("CPU %d offline: the last of %d is %d (--cpus)", cpu, cpus, cpus-1)
	case cpus == 1:
		return fmt.Errorf("CPU %d offline: it is the only one", cpu)
	case cpu == 0:
		return fmt.Errorf("CPU 0 offline: x86 kernels do not take it off since 6.5, and others only if they are built for it")
	}
	return nil
}

// ReaderCPU is what the reader gets of its CPU, as text: quota=20 (percent, by a cgroup's
// cpu.max), nice=19. Empty: all that it wants.
type ReaderCPU string

// Limits of the reader: percent of a CPU, 0: all; and its nice value.
func (r ReaderCPU) Limits() (quota, nice int) {
	kind, number, _ := strings.Cut(string(r), "=")
	n, _ := strconv.Atoi(number)
	switch kind {
	case "quota":
		return n, 0
	case "nice":
		return 0, n
	}
	return 0, 0
}

// ParseReaderCPU reads what the reader gets.
func ParseReaderCPU(text string) (ReaderCPU, error) {
	kind, number, _ := strings.Cut(text, "=")
	n, err := strconv.Atoi(number)
	switch {
	case text == "", err == nil && (kind == "quota" && n >= 1 && n <= 100 || kind == "nice" && n >= 1 && n <= 19):
		return ReaderCPU(text), nil
	}
	return "", fmt.Errorf("reader's CPU %q: want quota=PERCENT from 1 to 100, or nice=N from 1 to 19", text)
}
