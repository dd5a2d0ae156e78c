// SPDX-License-Identifier: MIT

// Package junit writes results in the XML format of JUnit, which CIs show as tests:
// https://github.com/testmoapp/junitxml
package junit

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// Suites are a file.
type Suites struct {
	XMLName xml.Name `xml:"testsuites"`
	Suites  []*Suite `xml:"testsuite"`
}

// Suite is a group of cases, such as those of a kernel.
type Suite struct {
	Name     string `xml:"name,attr"`
	Tests    int    `xml:"tests,attr"`
	Failures int    `xml:"failures,attr"`
	Errors   int    `xml:"errors,attr"`
	Skipped  int    `xml:"skipped,attr"`
	Cases    []Case `xml:"testcase"`
}

// Case is one thing that was tested. At most one of its reasons is set.
type Case struct {
	Name      string  `xml:"name,attr"`
	ClassName string  `xml:"classname,attr"`
	Seconds   string  `xml:"time,attr"`
	Failure   *Reason `xml:"failure,omitempty"` // it was tested, and is not as it should be
	Error     *Reason `xml:"error,omitempty"`   // it could not be tested
	Skipped   *Reason `xml:"skipped,omitempty"` // it need not be tested
}

// Reason is why a case did not pass.
type Reason struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// NewReason has the first line of a text as its message.
func NewReason(kind, text string) *Reason {
	first, _, _ := strings.Cut(text, "\n")
	return &Reason{Message: first, Type: kind, Text: text}
}

// Suite returns the suite of that name, which it adds if there is none.
func (s *Suites) Suite(name string) *Suite {
	for _, suite := range s.Suites {
		if suite.Name == name {
			return suite
		}
	}
	suite := &Suite{Name: name}
	s.Suites = append(s.Suites, suite)
	return suite
}

// Add adds a case, and counts it.
func (s *Suite) Add(c Case) {
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

// Write writes the file.
func (s *Suites) Write(w io.Writer) error {
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(s); err != nil {
		return fmt.Errorf("encode JUnit report: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}
