// SPDX-License-Identifier: MIT

package docs_test

import (
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// fenced are blocks with their languages.
var fenced = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")

// TestYAML: each example in YAML can be read, and has no key twice.
func TestYAML(t *testing.T) {
	found := 0
	for _, page := range pages(t) {
		for _, block := range fenced.FindAllStringSubmatch(read(t, page), -1) {
			if block[1] != "yaml" {
				continue
			}
			found++
			var any any
			if err := yaml.Unmarshal([]byte(block[2]), &any); err != nil {
				t.Errorf("%s: %v\n%s", page, err, block[2])
			}
		}
	}
	if found < 4 {
		t.Errorf("%d blocks of YAML", found)
	}
}

// ours is a command in a pipeline, up to the end of its line.
var ours = regexp.MustCompile(`ringtwin (vmtest|plan|merge)\b(.*)`)

// TestPipelines: commands in pipelines, which nothing here can run, have flags that exist.
func TestPipelines(t *testing.T) {
	if program == "" {
		t.Skip("needs the program: not with -short")
	}
	flag := regexp.MustCompile(`--[a-z-]+`)
	found := 0
	for _, block := range fenced.FindAllStringSubmatch(read(t, "ci.md"), -1) {
		for _, command := range ours.FindAllStringSubmatch(block[2], -1) {
			text := help(t, command[1])
			for _, name := range flag.FindAllString(command[2], -1) {
				found++
				if !strings.Contains(text, name) {
					t.Errorf("ringtwin %s has no %s", command[1], name)
				}
			}
		}
	}
	if found < 20 {
		t.Errorf("%d flags", found)
	}
}
