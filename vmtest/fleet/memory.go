// SPDX-License-Identifier: MIT

package fleet

import (
	"bytes"
	"fmt"
	"os"
)

// AvailableMemory is how many bytes the host can allocate without swapping: MemAvailable
// of /proc/meminfo.
func AvailableMemory() (int64, error) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	return parseAvailable(text)
}

func parseAvailable(text []byte) (int64, error) {
	for line := range bytes.Lines(text) {
		var kib int64
		if n, _ := fmt.Sscanf(string(line), "MemAvailable: %d kB", &kib); n == 1 {
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("no MemAvailable in /proc/meminfo")
}
