// SPDX-License-Identifier: MIT

package kernel

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"strconv"
	"strings"
)

// Config is the part of a kernel's configuration that affects figures.
type Config struct {
	Preempt string `json:"preempt,omitempty"` // none, voluntary, full, lazy, rt
	HZ      int    `json:"hz,omitempty"`
}

// parseConfig parses the text of a kernel's .config. Missing values stay empty.
func parseConfig(text []byte) Config {
	var c Config
	models := map[string]string{
		"CONFIG_PREEMPT_NONE":      "none",
		"CONFIG_PREEMPT_VOLUNTARY": "voluntary",
		"CONFIG_PREEMPT":           "full",
		"CONFIG_PREEMPT_LAZY":      "lazy",
		"CONFIG_PREEMPT_RT":        "rt",
	}
	scanner := bufio.NewScanner(bytes.NewReader(text))
	for scanner.Scan() {
		key, value, ok := strings.Cut(scanner.Text(), "=")
		if !ok {
			continue
		}
		if model := models[key]; model != "" && value == "y" && c.Preempt != "rt" {
			c.Preempt = model
		}
		if key == "CONFIG_HZ" {
			c.HZ, _ = strconv.Atoi(value)
		}
	}
	return c
}

// RunningConfig is the configuration of the running kernel, from the kernel itself or
// from the directories of distributions. Unknown values stay empty.
func RunningConfig(release string) Config {
	if file, err := os.Open("/proc/config.gz"); err == nil {
		defer file.Close()
		if unpacked, err := gzip.NewReader(file); err == nil {
			if text, err := io.ReadAll(unpacked); err == nil {
				return parseConfig(text)
			}
		}
	}
	for _, path := range []string{"/boot/config-" + release, "/lib/modules/" + release + "/config"} {
		if text, err := os.ReadFile(path); err == nil {
			return parseConfig(text)
		}
	}
	return Config{}
}
