// SPDX-License-Identifier: MIT

package contention

// Published is a table of the kernel's own benchmark, run_bench_ringbufs.sh, section
// "Ringbuf, multi-producer contention": events of 8 bytes, 50 a call, one reader that is
// woken when it has read all.
//
// https://elixir.bootlin.com/linux/v6.12/source/tools/testing/selftests/bpf/benchs/run_bench_ringbufs.sh
type Published struct {
	Name   string
	When   string
	Source string // its address
	Cores  int
	// Kernel is the one whose counts are nearest to those of the kernel then: the lock is a
	// raw spin lock before 6.15, and a resilient one since.
	Kernel string
	// Complex is how many cores share a last level of cache; 0: all, or it is not known.
	Complex int
	Rates   []float64 // of [PublishedProducers], in millions a second
}

// PublishedProducers are how many producers the benchmark has.
func PublishedProducers() []int {
	return []int{1, 2, 3, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52}
}

// AllPublished are the tables that were found for x86.
func AllPublished() []Published {
	return []Published{
		{
			Name: "not named", When: "May 2020", Kernel: "6.12", Source: "https://lore.kernel.org/bpf/20200529075424.3139988-5-andriin@fb.com/",
			Rates: []float64{10.916, 4.931, 4.880, 3.926, 4.011, 3.967, 2.604, 2.233, 2.085, 2.055, 1.962, 2.089, 2.118, 2.105, 2.120, 2.074},
		},
		{
			Name: "AMD Ryzen 9 7950X", When: "July 2023", Kernel: "6.12", Source: "https://lore.kernel.org/bpf/20230719013552.3476856-1-awerner32@gmail.com/",
			Cores: 16, Complex: 8,
			Rates: []float64{18.486, 22.009, 11.908, 11.302, 5.799, 4.296, 4.248, 4.530, 4.607, 4.470, 4.348, 4.248, 4.227, 4.100, 4.056, 4.051},
		},
		{
			Name: "Intel Sapphire Rapids", When: "April 2025", Kernel: "6.12", Source: "https://lore.kernel.org/bpf/20250411101759.4061366-1-memxor@gmail.com/",
			Rates: []float64{11.440, 2.706, 3.130, 2.472, 2.352, 2.813, 1.988, 2.245, 2.148, 2.190, 2.490, 2.180, 2.201, 2.226, 2.164, 1.874},
		},
		{
			Name: "AMD EPYC 9654", When: "October 2025", Kernel: "6.18", Source: "https://lore.kernel.org/bpf/20251018035738.4039621-2-xukuohai@huaweicloud.com/",
			Cores: 96, Complex: 8,
			Rates: []float64{11.623, 15.812, 7.871, 6.703, 2.896, 2.054, 1.864, 1.580, 1.484, 1.369, 1.316, 1.272, 1.239, 1.226, 1.213, 1.193},
		},
	}
}

// Points are its rates as those of [Machine].
func (p *Published) Points() []Point {
	var all []Point
	for i, n := range PublishedProducers() {
		all = append(all, Point{n, p.Rates[i] * 1e6})
	}
	return all
}

// Fitted is the machine of the table, as its rates are closest to.
func (p *Published) Fitted(alone, shared Demand) (Machine, error) {
	m := Machine{Cores: p.Cores, Complex: p.Complex}
	err := m.Fit(alone, shared, p.Points())
	return m, err
}
