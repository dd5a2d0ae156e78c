// SPDX-License-Identifier: MIT

package docs_test

import (
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/docs"
)

// TestTopics: each page is a topic, and is what is printed of it.
func TestTopics(t *testing.T) {
	topics := docs.Topics()
	if len(topics) != len(pages(t))-1 { // the README is none
		t.Errorf("%d topics of %d pages", len(topics), len(pages(t)))
	}
	abouts := map[string]string{}
	for _, topic := range topics {
		if text, ok := docs.Page(topic.Name); !ok || text != read(t, topic.Name+".md") {
			t.Errorf("%s is not its page", topic.Name)
		}
		abouts[topic.Name] = topic.About
		if strings.ContainsAny(topic.About, "`[\n|") || len(topic.About) > 160 {
			t.Errorf("%s: %q", topic.Name, topic.About)
		}
	}
	for name, want := range map[string]string{
		"compare":    "ringtwin compare compares two groups of trials, A and B, and can fail on a difference.",
		"statements": "The statements that ringtwin facts decides.",
		"design":     "How a run proceeds, what each package is responsible for, and the decisions behind it.",
	} {
		if abouts[name] != want {
			t.Errorf("%s: %q, want %q", name, abouts[name], want)
		}
	}
	if _, ok := docs.Page("../README"); ok {
		t.Error("a page that is not in docs")
	}
}
