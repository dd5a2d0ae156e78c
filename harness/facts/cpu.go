// SPDX-License-Identifier: MIT

package facts

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// affinity lists the CPUs that this process may run on.
func affinity() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("list CPUs: %w", err)
	}
	var cpus []int
	for cpu := 0; len(cpus) < set.Count(); cpu++ {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}

// onCPU moves the experiment to the nth of its CPUs, and returns the number of that CPU.
func (t *T) onCPU(n int) int {
	var set unix.CPUSet
	set.Set(t.cpu(n))
	t.must("move to a CPU", unix.SchedSetaffinity(0, &set))
	return t.cpu(n)
}

// cpu is the number of the nth of the CPUs.
func (t *T) cpu(n int) int {
	if n >= len(t.cpus) {
		t.cannot("takes %d CPUs, this machine has %d", n+1, len(t.cpus))
	}
	return t.cpus[n]
}
