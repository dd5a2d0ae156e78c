// SPDX-License-Identifier: MIT

// Package docs is the documentation, for the program to print.
//
// It is safe for concurrent use.
package docs

import (
	"embed"
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/tabwriter"
)

//go:embed *.md
var pages embed.FS

// Topic is a page: its name without the ending, and what it is about.
type Topic struct{ Name, About string }

// Topics are all pages, by name.
func Topics() []Topic {
	entries, _ := pages.ReadDir(".")
	var all []Topic
	for _, entry := range entries {
		name := strings.TrimSuffix(entry.Name(), ".md")
		text, _ := Page(name)
		all = append(all, Topic{name, about(text)})
	}
	return all
}

// List prints the topics.
func List(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, topic := range Topics() {
		fmt.Fprintf(t, "%s\t%s\n", topic.Name, topic.About)
	}
	return t.Flush()
}

// Page is the Markdown of a topic, and whether there is one.
func Page(topic string) (text string, ok bool) {
	data, err := pages.ReadFile(topic + ".md")
	return string(data), err == nil
}

// link is one of Markdown, of which a reader of plain text wants the words.
var link = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)

// about is the first sentence of the page where prose comes before anything else, and its
// title otherwise.
func about(page string) string {
	title, rest, _ := strings.Cut(strings.TrimPrefix(page, "# "), "\n")
	paragraph, _, _ := strings.Cut(strings.TrimSpace(rest), "\n\n")
	text := strings.Join(strings.Fields(paragraph), " ")
	sentence, _, more := strings.Cut(text, ". ")
	if !more && !strings.HasSuffix(text, ".") || strings.HasPrefix(text, "#") {
		sentence = title
	}
	sentence = strings.ReplaceAll(link.ReplaceAllString(sentence, "$1"), "`", "")
	return strings.TrimSuffix(sentence, ".") + "."
}
