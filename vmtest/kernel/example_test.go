// SPDX-License-Identifier: MIT

package kernel_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/vmtest/kernel"
)

func ExampleVersion() {
	var versions []kernel.Version
	for _, text := range []string{"6.12.117", "6.1", "6.1.192"} {
		var v kernel.Version
		if err := v.UnmarshalText([]byte(text)); err != nil {
			fmt.Println(err)
		}
		versions = append(versions, v)
	}
	slices.SortFunc(versions, kernel.Version.Compare)
	for _, v := range versions {
		fmt.Println(v, "of the line", v.LineString())
	}
	// Output:
	// 6.1 of the line 6.1
	// 6.1.192 of the line 6.1
	// 6.12.117 of the line 6.12
}

// A lock names exact kernels; a pattern is none.
func ExampleReadLock() {
	sum := strings.Repeat("ab", 32)
	lock, err := kernel.ReadLock("kernels.lock", strings.NewReader("6.1 6.1.192 apt linux-image-6.1=1-1 "+sum+" # why\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.Count(lock.Text(), sum))
	_, err = kernel.ReadLock("kernels.lock", strings.NewReader("6.* 6.1.192 apt linux-image-6.1=1-1 "+sum+"\n"))
	fmt.Println(err)
	// Output:
	// 1
	// kernels.lock, line 1: 6.* is not one kernel of an archive
}
