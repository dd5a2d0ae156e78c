// SPDX-License-Identifier: MIT

package results

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ringtwin/ringtwin/harness/report"
	"github.com/ringtwin/ringtwin/harness/verdict"
)

// WriteHTML writes the page.
func WriteHTML(path string, r *report.Results) error {
	return writeFile(path, func(w io.Writer) error { return report.HTML(w, r) })
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

// WriteFiles writes files into a directory.
func WriteFiles(dir string, files map[string]func(io.Writer) error) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, write := range files {
		if err := writeFile(filepath.Join(dir, name), write); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if err := errors.Join(write(file), file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
