// SPDX-License-Identifier: MIT

package facts

import "errors"

// ErrSame is returned by [Bisect] if both ends have the same result.
var ErrSame = errors.New("the same is seen at both ends")

// Bisect finds the first of n kernels whose result differs from that of kernel 0. It
// tests both ends, then halves the interval until neighbours differ: 2 + log2(n - 1)
// tests, rounded up. If the result changes more than once, it finds one of the changes.
func Bisect(n int, look func(int) (Result, error)) (int, error) {
	if n < 2 {
		return 0, errors.New("bisect: want two kernels at least")
	}
	first, err := look(0)
	if err != nil {
		return 0, err
	}
	last, err := look(n - 1)
	if err != nil {
		return 0, err
	}
	if first.Same(last) {
		return 0, ErrSame
	}
	same, other := 0, n-1
	for other-same > 1 {
		middle := (same + other) / 2
		result, err := look(middle)
		if err != nil {
			return 0, err
		}
		if result.Same(first) {
			same = middle
		} else {
			other = middle
		}
	}
	return other, nil
}
