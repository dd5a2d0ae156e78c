// SPDX-License-Identifier: MIT

package machine

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// UnsupportedError is a kernel that a backend cannot boot.
type UnsupportedError struct{ Reason string }

func (e *UnsupportedError) Error() string { return e.Reason }

// vngNeeds are the drivers of the root that virtme-ng gives a machine, and of
// the ports that its init runs a command with. They can be modules.
var vngNeeds = []string{"CONFIG_VIRTIO_PCI", "CONFIG_NET_9P_VIRTIO", "CONFIG_9P_FS", "CONFIG_VIRTIO_CONSOLE"}

// VNGBoots reports whether virtme-ng can boot a kernel, as far as its configuration
// shows: an [*UnsupportedError] names what is missing. Without a configuration (config is
// "") only booting can tell. Modules are looked for where virtme-ng does.
func VNGBoots(config, image, release string) error {
	if config == "" {
		return nil
	}
	have, err := readOptions(config)
	if err != nil {
		return err
	}
	modules := hasModules(image, release)
	var missing []string
	for _, need := range vngNeeds {
		switch value := have[need]; {
		case value == "":
			missing = append(missing, need+" is not set")
		case value == "m" && !modules:
			missing = append(missing, need+"=m without the module")
		}
	}
	if missing == nil {
		return nil
	}
	return &UnsupportedError{fmt.Sprintf("virtme-ng cannot boot %s: %s (a +generic kernel has it all)", release, strings.Join(missing, ", "))}
}

// readOptions reads what a kernel's .config sets.
func readOptions(path string) (map[string]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read kernel configuration: %w", err)
	}
	defer file.Close()
	options := map[string]string{}
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		if key, value, ok := strings.Cut(scanner.Text(), "="); ok {
			options[key] = value
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("read kernel configuration: %w", err)
	}
	return options, nil
}

// hasModules looks in the nearest directory above the image that has lib/modules,
// as find_kernel_and_mods of virtme-ng does.
func hasModules(image, release string) bool {
	for dir := filepath.Dir(image); ; dir = filepath.Dir(dir) {
		root := filepath.Join(dir, "lib", "modules")
		if _, err := os.Stat(root); err == nil || dir == filepath.Dir(dir) {
			_, err := os.Stat(filepath.Join(root, release))
			return err == nil && release != ""
		}
	}
}
