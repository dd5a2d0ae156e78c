// SPDX-License-Identifier: MIT

package results

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ringtwin/ringtwin/harness/report"
	"github.com/ringtwin/ringtwin/harness/verdict"
)

// WriteHTML writes the page.
func WriteHTML(path string, comparisons []verdict.Comparison) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if err := errors.Join(report.HTML(file, comparisons), file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// Publish writes a page, its chart and the figures into a directory.
func Publish(dir string, comparisons []verdict.Comparison) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return report.Publish(comparisons, func(name string, text []byte) error {
		return os.WriteFile(filepath.Join(dir, name), text, 0o644)
	})
}
