// SPDX-License-Identifier: MIT

package contention

import (
	"errors"
	"fmt"
	"math"
)

// Machine is what a model knows of a machine: its CPUs, and two of its times.
type Machine struct {
	// Cores is how many there are, and Complex how many of them share a last level of cache;
	// 0: all. The reader is on the first CPU and producers on those that follow, as the
	// kernel's benchmark places them; CPUs from Cores on are again on the first one.
	Cores, Complex int
	// InstructionNS is what an instruction takes when nothing is shared, in ns.
	InstructionNS float64
	// NearNS is what a line takes from another core of a complex, FarNS from one of another
	// complex, in ns.
	NearNS, FarNS float64
}

// near is how likely two of the producers are on cores of the same complex.
func (m *Machine) near(producers int) float64 {
	if m.Complex == 0 || producers < 2 {
		return 1
	}
	in := map[int]int{}
	for cpu := 1; cpu <= producers; cpu++ {
		if m.Cores > 0 {
			in[cpu%m.Cores/m.Complex]++
		} else {
			in[cpu/m.Complex]++
		}
	}
	pairs := 0
	for _, n := range in {
		pairs += n * (n - 1)
	}
	return float64(pairs) / float64(producers*(producers-1))
}

// Rate is how many events a second the producers send together, without waking anybody,
// where alone is the demand of one producer and shared that of several.
//
// Producers are customers of a closed queueing network: they execute for a while, and then
// one after another what is under the lock. Its rate is that of exact mean value analysis:
// Reiser and Lavenberg, Mean-Value Analysis of Closed Multichain Queuing Networks, Journal
// of the ACM 27 (1980), 313-322.
func (m *Machine) Rate(alone, shared Demand, producers int) float64 {
	d := shared
	if producers == 1 {
		d = alone
	}
	near := m.near(producers)
	transferNS := near*m.NearNS + (1-near)*m.FarNS
	outside := (d.Instructions-d.Held)*m.InstructionNS + (d.Transfers-d.HeldTransfers)*transferNS
	inside := d.Held*m.InstructionNS + d.HeldTransfers*transferNS
	waiting, rate := 0.0, 0.0
	for n := 1; n <= producers; n++ {
		time := inside * (1 + waiting)
		rate = float64(n) / (outside + time)
		waiting = rate * time
	}
	return rate * 1e9
}

// Point is a rate of producers together, in events a second.
type Point struct {
	Producers int     `json:"producers"`
	Rate      float64 `json:"rate"`
}

// Error is that of the model at a point: 0.1 is a rate that is 10 % too high.
func (m *Machine) Error(alone, shared Demand, p Point) float64 {
	return m.Rate(alone, shared, p.Producers)/p.Rate - 1
}

// Fit sets the times of a machine to those that its points are closest to: InstructionNS
// by the point of one producer, the others by the least squares of logarithms. The point of
// one producer has no error then. There must be a rate of one producer and one of several.
func (m *Machine) Fit(alone, shared Demand, points []Point) error {
	if !(alone.Instructions > 0) {
		return errors.New("fit a machine: one producer has no instructions")
	}
	var rest []Point
	m.InstructionNS = 0
	for _, p := range points {
		switch {
		case p.Producers < 1 || !(p.Rate > 0) || math.IsInf(p.Rate, 1):
			return fmt.Errorf("fit a machine: %d producers at %g events a second", p.Producers, p.Rate)
		case p.Producers == 1:
			m.InstructionNS = 1e9 / p.Rate / alone.Instructions
		default:
			rest = append(rest, p)
		}
	}
	if m.InstructionNS == 0 || len(rest) == 0 {
		return errors.New("fit a machine: needs rates of one producer and of several")
	}
	best := math.Inf(1)
	try := func(near, far float64) {
		other := *m
		other.NearNS, other.FarNS = near, far
		sum := 0.0
		for _, p := range rest {
			log := math.Log1p(other.Error(alone, shared, p))
			sum += log * log
		}
		if sum < best {
			best, *m = sum, other
		}
	}
	const steps = 16
	from, span := [2]float64{1, 1}, 1000.0
	for span > 1.005 {
		step := math.Pow(span, 1.0/steps)
		for i := range steps + 1 {
			near := from[0] * math.Pow(step, float64(i))
			if m.Complex == 0 {
				try(near, near)
				continue
			}
			for j := range steps + 1 {
				if far := from[1] * math.Pow(step, float64(j)); far >= near {
					try(near, far)
				}
			}
		}
		span = step * step
		from = [2]float64{m.NearNS / step, m.FarNS / step}
	}
	return nil
}
