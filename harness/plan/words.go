// SPDX-License-Identifier: MIT

package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ringtwin/ringtwin/harness/axis"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// Words are the arguments of [Plan.Set] that reduce plan [Plain] to the configuration of
// these two cells, on a machine with as many CPUs as theirs. Values that the plan already
// has are omitted. Cells do not contain sweeps, so rates are those of the cells.
func Words(a, b *record.Cell) ([]string, error) {
	p, err := Load(Plain)
	if err != nil {
		return nil, err
	}
	s := p.scenarios()[0]
	bytes, list, key := a.RingBytes, s.RingBytesEach, "ring_bytes_each"
	if a.Equal != vocab.EqualEach {
		// A single ring uses the whole total; several may use less, since each is a power
		// of two.
		bytes, list, key = ceilPowerOfTwo(max(a.RingBytesTotal, b.RingBytesTotal)), s.RingBytesTotal, "ring_bytes_total"
	}
	var words []string
	sides := [2]string{own(a, b, bytes), own(b, a, bytes)}
	if sides != [2]string{s.Pairs[0][0].String(), s.Pairs[0][1].String()} {
		words = append(words, "pairs=[["+quote(sides[0])+", "+quote(sides[1])+"]]")
	}
	for _, x := range axis.All() {
		if x.Side && (x.Name != flushMS || a.FlushMS != b.FlushMS) {
			continue // of the sides
		}
		if value := x.Get(a); !slices.Equal(s.Values[x.Name], []string{value}) {
			words = append(words, x.Name+"="+value)
		}
	}
	if !slices.Equal(list, []int{bytes}) {
		words = append(words, fmt.Sprintf("%s=%d", key, bytes))
	}
	return words, nil
}

// flushMS is an axis of a side that both have in common in most plans.
const flushMS = "flush_ms"

// own is the side of a cell, with the values that the other does not have, and the size of
// its rings if it is not what the plan's bytes give.
func own(c, other *record.Cell, bytes int) string {
	text := c.Configuration()
	each := bytes
	if c.Equal != vocab.EqualEach && c.RingBytes > 0 {
		each = floorPowerOfTwo(bytes / max(c.RingBytesTotal/c.RingBytes, 1))
	}
	if c.Agent == "" && c.RingBytes > 0 && c.RingBytes != each {
		text += fmt.Sprintf(",%s=%d", RingBytes, c.RingBytes)
	}
	if c.Agent == "" && c.FlushMS != other.FlushMS {
		text += fmt.Sprintf(",%s=%d", flushMS, c.FlushMS)
	}
	return text
}

// quote quotes a side that holds a comma, which would end it in a list.
func quote(side string) string {
	if strings.Contains(side, ",") {
		return strconv.Quote(side)
	}
	return side
}
