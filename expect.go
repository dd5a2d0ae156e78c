// SPDX-License-Identifier: MIT

package ringtwin

import (
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/results"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
)

// Expected are the kernels of a list, separated by commas or spaces, that results should
// have.
func Expected(list string) *results.Expected {
	return &results.Expected{
		Names: vmtest.Words(list),
		Means: func(name string, k record.Kernel) bool { return kernel.Means(name, k.Want, k.Source) },
	}
}
