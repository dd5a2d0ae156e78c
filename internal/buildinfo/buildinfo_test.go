// SPDX-License-Identifier: MIT

package buildinfo

import (
	"bytes"
	"regexp"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/harness/record"
)

func TestToolOf(t *testing.T) {
	stamped := &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123abc"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "vcs.modified", Value: "true"},
	}}
	for name, test := range map[string]struct {
		info *debug.BuildInfo
		want record.Tool
	}{
		"none":    {nil, record.Tool{}},
		"devel":   {&debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, record.Tool{}},
		"stamped": {stamped, record.Tool{Version: "v1.2.3", Commit: "0123abc", Modified: true}},
	} {
		t.Run(name, func(t *testing.T) {
			got := *toolOf(test.info)
			if !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(got.Objects) || got.Objects != Tool().Objects {
				t.Errorf("objects %q", got.Objects)
			}
			got.Objects = ""
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWrite(t *testing.T) {
	known := record.Tool{Version: "v1.2.3", Commit: "0123abc", Objects: "89ab"}
	for name, test := range map[string]struct {
		tool record.Tool
		qemu string
		json bool
		want string
	}{
		"all":     {known, "9.0", false, "ringtwin  v1.2.3\ncommit    0123abc\ntree      unmodified\nGo        GO\nobjects   89ab\nQEMU      9.0\n"},
		"unknown": {record.Tool{Objects: "89ab"}, "", false, "ringtwin  unknown\ncommit    unknown\ntree      unknown\nGo        GO\nobjects   89ab\nQEMU      not found\n"},
		"JSON":    {known, "", true, "{\n  \"version\": \"v1.2.3\",\n  \"commit\": \"0123abc\",\n  \"modified\": false,\n  \"go\": \"GO\",\n  \"objects\": \"89ab\"\n}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := InfoOf(&test.tool, test.qemu).Write(&b, test.json); err != nil {
				t.Fatal(err)
			}
			got := string(bytes.ReplaceAll(b.Bytes(), []byte(runtime.Version()), []byte("GO")))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
