// SPDX-License-Identifier: MIT

package standin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// resultsFile is the file of an artifact that Empty empties.
const resultsFile = "results.jsonl"

// forbidden are the characters that no artifact's name has.
const forbidden = "\":<>|*?\r\n\\/"

func artifacts() string { return filepath.Join(os.Getenv(Dir), "artifacts") }

// upload stores files. Modes are not kept, and hidden files are left out.
func upload() error {
	name := input("name")
	if i := strings.IndexAny(name, forbidden); i >= 0 || name == "" {
		return fmt.Errorf("the artifact name is not valid: %q: it is empty, or contains one of %q", name, forbidden)
	}
	root, files, err := find(lines("path"), input("include-hidden-files") == "true")
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return nothingFound(input("if-no-files-found"), input("path"))
	}
	if named(Lose, name) {
		return nil
	}
	dir := filepath.Join(artifacts(), name)
	if _, err := os.Stat(dir); err == nil && input("overwrite") != "true" {
		return fmt.Errorf("conflict: an artifact with the name %s already exists on the workflow run", name)
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for _, file := range files {
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		if err := copyFile(filepath.Join(dir, rel), file, 0o644); err != nil {
			return err
		}
	}
	if named(Empty, name) {
		return os.Truncate(filepath.Join(dir, resultsFile), 0)
	}
	return nil
}

func nothingFound(what, path string) error {
	switch what {
	case "ignore":
	case "error":
		return fmt.Errorf("no files were found with the provided path: %s", path)
	case "warn", "":
		fmt.Printf("::warning::No files were found with the provided path: %s\n", path)
	default:
		return fmt.Errorf("unrecognized if-no-files-found input: %s", what)
	}
	return nil
}

// find lists the files of some paths, and the directory that their names in the artifact
// begin at: the least common ancestor of what was searched.
func find(paths []string, hidden bool) (root string, files []string, err error) {
	for _, pattern := range paths {
		matches, err := filepath.Glob(pattern)
		if err != nil || strings.Contains(pattern, "**") {
			return "", nil, fmt.Errorf("path %s: this stand-in knows only *: %w", pattern, errors.Join(err))
		}
		for _, match := range matches {
			if name := filepath.Base(match); !hidden && strings.HasPrefix(name, ".") && name != "." {
				continue
			}
			base := match
			if info, err := os.Stat(match); err == nil && !info.IsDir() {
				base = filepath.Dir(match)
			}
			root = common(root, base)
			found, err := walk(match, hidden)
			if err != nil {
				return "", nil, err
			}
			files = append(files, found...)
		}
	}
	return root, files, nil
}

// walk lists the files below a path, through links, as upload-artifact does.
func walk(path string, hidden bool) (files []string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if !hidden && strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		more, err := walk(filepath.Join(path, entry.Name()), hidden)
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	return files, nil
}

// common is the least common ancestor of two directories; "" is none yet.
func common(a, b string) string {
	for a != "" && a != b && !strings.HasPrefix(b, strings.TrimSuffix(a, "/")+"/") {
		if a == "." {
			return a
		}
		a = filepath.Dir(a)
	}
	if a == "" {
		return b
	}
	return a
}

// download brings one artifact, or all that match a pattern, each in a directory of its
// name. That there is none is an error only for a name.
func download() error {
	path := input("path")
	if path == "" {
		path = "."
	}
	if name := input("name"); name != "" {
		dir := filepath.Join(artifacts(), name)
		if _, err := os.Stat(dir); err != nil {
			return fmt.Errorf("unable to download artifact(s): Artifact not found for name: %s", name)
		}
		return copyTree(path, dir)
	}
	pattern := input("pattern")
	if pattern == "" {
		pattern = "*"
	}
	found, err := filepath.Glob(filepath.Join(artifacts(), pattern))
	if err != nil {
		return err
	}
	for _, dir := range found {
		to := filepath.Join(path, filepath.Base(dir))
		if input("merge-multiple") == "true" {
			to = path
		}
		if err := copyTree(to, dir); err != nil {
			return err
		}
	}
	fmt.Printf("Total of %d artifact(s) downloaded\n", len(found))
	return nil
}

// copyTree copies a directory over another, with the modes of files.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return copyFile(filepath.Join(to, rel), path, info.Mode().Perm())
	})
}

func copyFile(to, from string, mode fs.FileMode) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(to, data, mode)
}
