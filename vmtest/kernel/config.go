package kernel

import (
	"bufio"
	"bytes"
	"strconv"
	"strings"
)

// Config is what of a kernel's configuration decides about figures.
type Config struct {
	Preempt string `json:"preempt,omitempty"` // none, voluntary, full, lazy, rt
	HZ      int    `json:"hz,omitempty"`
}

// parseConfig reads the text of a kernel's .config. What it does not say stays
// empty.
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
