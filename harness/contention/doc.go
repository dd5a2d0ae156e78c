// SPDX-License-Identifier: MIT

// Package contention models how fast several producers are that share a ring: from what an
// event executes and which lines it takes from other CPUs, as profiles count it, and from
// how long a machine takes for either. It is a pure function of its inputs.
package contention
