// SPDX-License-Identifier: MIT

package standin

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// maxKey is the length of the longest key.
const maxKey = 512

// entries is the directory of the caches of these paths: those of others are not found.
func entries() string {
	sum := sha256.Sum256([]byte(strings.Join(lines("path"), "\n")))
	return filepath.Join(os.Getenv(Dir), "caches", fmt.Sprintf("%x", sum[:8]))
}

func checkKey(key string) error {
	if key == "" || len(key) > maxKey || strings.Contains(key, ",") {
		return fmt.Errorf("key validation error: %q is empty, longer than %d characters, or has a comma", key, maxKey)
	}
	return nil
}

// restore brings the cache of a key, or the newest of one that begins with a restore key.
func restore() error {
	key := input("key")
	if err := checkKey(key); err != nil {
		return err
	}
	matched := match(key, lines("restore-keys"))
	if matched == "" && input("fail-on-cache-miss") == "true" {
		return fmt.Errorf("failed to restore cache entry, exiting as fail-on-cache-miss is set: %s", key)
	}
	if matched != "" && input("lookup-only") != "true" {
		for i, path := range lines("path") {
			from := filepath.Join(entries(), matched, strconv.Itoa(i))
			if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err := copyTree(path, from); err != nil {
				return err
			}
		}
	}
	hit := ""
	if matched != "" {
		hit = strconv.FormatBool(matched == key)
	}
	return errors.Join(output("cache-hit", hit), output("cache-primary-key", key), output("cache-matched-key", matched))
}

// match is the key of the cache to restore, or "".
func match(key string, prefixes []string) string {
	if _, err := os.Stat(filepath.Join(entries(), key)); err == nil {
		return key
	}
	for _, prefix := range append([]string{key}, prefixes...) {
		found, _ := filepath.Glob(filepath.Join(entries(), prefix+"*"))
		if len(found) > 0 {
			sort.Slice(found, func(i, j int) bool { return modified(found[i]) > modified(found[j]) })
			return filepath.Base(found[0])
		}
	}
	return ""
}

func modified(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.ModTime().UnixNano()
}

// save stores the cache of a key, once: the first stays.
func save() error {
	key := input("key")
	if err := checkKey(key); err != nil {
		return err
	}
	dir := filepath.Join(entries(), key)
	if _, err := os.Stat(dir); err == nil {
		fmt.Printf("::warning::Failed to save: Unable to reserve cache with key %s, another job may be creating this cache.\n", key)
		return nil
	}
	saved := 0
	for i, path := range lines("path") {
		if _, err := os.Stat(path); err != nil {
			continue
		}
		saved++
		if err := copyTree(filepath.Join(dir, strconv.Itoa(i)), path); err != nil {
			return err
		}
	}
	if saved == 0 {
		return errors.New("path validation error: Path(s) specified in the action for caching do(es) not exist, hence no cache is being saved")
	}
	return nil
}
