// SPDX-License-Identifier: MIT

package report_test

import (
	"fmt"

	"github.com/ringtwin/ringtwin/harness/report"
)

func ExampleValue() {
	fmt.Println(report.Value("ns", 1234))
	fmt.Println(report.Value("Hz", 25_000))
	fmt.Println(report.Value("share", 0.125))
	fmt.Println(report.Value("bytes", 65536))
	// Output:
	// 1.2 us
	// 25 kHz
	// 12.5 %
	// 64 KiB
}
