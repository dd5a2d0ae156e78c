// SPDX-License-Identifier: MIT

// Package completion writes scripts that complete a command line in a shell: commands,
// flags, and the values of those that have a fixed set. Anything else is completed as a
// file.
//
// It is safe for concurrent use.
package completion

import (
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"

	"github.com/alecthomas/kong"
)

//go:embed scripts.tmpl
var text string

// scripts has a template for each shell.
var scripts = template.Must(template.New("").Funcs(template.FuncMap{"quote": quote, "join": strings.Join}).Parse(text))

// Shells are the supported shells.
func Shells() []string { return []string{"bash", "fish", "zsh"} }

// Write writes the script of a shell.
func Write(w io.Writer, shell string, app *kong.Application) error {
	if !slices.Contains(Shells(), shell) {
		return fmt.Errorf("shell %q: want one of %s", shell, strings.Join(Shells(), ", "))
	}
	return scripts.ExecuteTemplate(w, shell, struct {
		Program  string
		Commands []command
	}{app.Name, commandsOf(app.Node, "")})
}

// command is one, or the program itself.
type command struct {
	Path  string // without the program
	About string
	Words []word // commands below it, and values of its arguments
	Flags []flag
}

type word struct{ Name, About string }

type flag struct {
	word
	Short  string
	Takes  bool     // a value
	Values []string // nil: any
}

// commandsOf are the node's command and all below it.
func commandsOf(node *kong.Node, path string) []command {
	c := command{Path: path, About: brief(node.Help), Flags: flagsOf(node.AllFlags(true)...)}
	if d := node.DefaultCmd; d != nil {
		c.Flags = append(c.Flags, flagsOf(d.Flags)...)
	}
	for _, p := range node.Positional {
		for _, value := range values(p) {
			c.Words = append(c.Words, word{value, ""})
		}
	}
	var below []command
	for _, child := range node.Children {
		if !child.Hidden {
			c.Words = append(c.Words, word{child.Name, brief(child.Help)})
			below = append(below, commandsOf(child, strings.TrimSpace(path+" "+child.Name))...)
		}
	}
	return append([]command{c}, below...)
}

func flagsOf(groups ...[]*kong.Flag) []flag {
	var all []flag
	for _, f := range slices.Concat(groups...) {
		if f.Hidden {
			continue
		}
		one := flag{word: word{f.Name, brief(f.Help)}, Takes: !f.IsBool(), Values: values(f.Value)}
		if f.Short != 0 {
			one.Short = string(f.Short)
		}
		all = append(all, one)
	}
	return all
}

// values are those that v may have; nil: any.
func values(v *kong.Value) []string {
	if v.Enum == "" {
		return nil
	}
	return v.EnumSlice()
}

// brief is the first sentence of a help text.
func brief(help string) string {
	sentence, _, _ := strings.Cut(help, ". ")
	return strings.TrimSuffix(sentence, ".")
}

// quote makes a word of the text, in any of the shells.
func quote(parts ...string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(strings.Join(parts, ""), `\`, ""), "'", `'"'"'`) + "'"
}
