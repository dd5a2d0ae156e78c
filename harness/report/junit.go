// SPDX-License-Identifier: MIT

package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/ringtwin/ringtwin/harness/record"
)

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name      string       `xml:"name,attr"`
	ClassName string       `xml:"classname,attr"`
	Seconds   string       `xml:"time,attr"`
	Failure   *junitReason `xml:"failure,omitempty"`
	Error     *junitReason `xml:"error,omitempty"`
}

type junitReason struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes a suite a kernel and a case a trial. An unbalanced ledger is a failure;
// any other status of a trial that was not measured is an error.
func JUnit(w io.Writer, trials []record.Trial) error {
	var suites junitSuites
	index := map[string]int{}
	for i := range trials {
		t := &trials[i]
		at, ok := index[t.Kernel.Want]
		if !ok {
			at = len(suites.Suites)
			index[t.Kernel.Want] = at
			suites.Suites = append(suites.Suites, junitSuite{Name: "ringtwin " + t.Kernel.Want})
		}
		suites.Suites[at].add(t)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(suites); err != nil {
		return fmt.Errorf("encode JUnit report: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *junitSuite) add(t *record.Trial) {
	c := junitCase{Name: t.ID, ClassName: "ringtwin." + string(t.Cell.Transport), Seconds: "0"}
	if t.Rate != nil {
		c.Seconds = fmt.Sprintf("%.3f", float64(t.Rate.DurationNS)/1e9)
	}
	first, _, _ := strings.Cut(t.Reason, "\n")
	reason := &junitReason{Message: first, Type: string(t.Status), Text: t.Reason}
	switch t.Status {
	case record.OK:
	case record.Invalid:
		c.Failure = reason
		s.Failures++
	default:
		c.Error = reason
		s.Errors++
	}
	s.Tests++
	s.Cases = append(s.Cases, c)
}
