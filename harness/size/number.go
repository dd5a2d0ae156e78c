// SPDX-License-Identifier: MIT

package size

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// unit is a suffix of a number and its factor.
type unit struct {
	suffix string
	factor int64
}

var (
	countUnits = []unit{{"k", 1e3}, {"M", 1e6}}
	byteUnits  = []unit{{"KiB", 1 << 10}, {"MiB", 1 << 20}}
)

// ParseCount reads a whole number, or one with the suffix k or M: 50k, 1.5M.
func ParseCount(text string) (int, error) { return parse(text, countUnits, "50000 or 50k") }

// ParseBytes reads a number of bytes, plain or in KiB or MiB.
func ParseBytes(text string) (int, error) { return parse(text, byteUnits, "120 or 4KiB") }

// maxNumber keeps sums of a few numbers in an int.
const maxNumber = 1 << 40

// parse reads a decimal number. The limit keeps the result far from an overflow: any
// number beyond it is invalid for other reasons.
func parse(text string, units []unit, example string) (int, error) {
	digits, factor := strings.TrimSpace(text), int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(digits, u.suffix); ok {
			digits, factor = strings.TrimSpace(rest), u.factor
		}
	}
	switch {
	case strings.HasPrefix(digits, "-"):
		return 0, fmt.Errorf("%s is negative: want a number such as %s", text, example)
	case digits == "" || strings.Trim(digits, "0123456789.") != "" || len(digits) > 32:
		return 0, fmt.Errorf("%q is no number: want one such as %s", text, example)
	}
	n, ok := new(big.Rat).SetString(digits)
	if !ok {
		return 0, fmt.Errorf("%q is no number: want one such as %s", text, example)
	}
	n.Mul(n, new(big.Rat).SetInt64(factor))
	switch {
	case !n.IsInt():
		return 0, fmt.Errorf("%s is not whole: want a whole number", text)
	case n.Cmp(new(big.Rat).SetInt64(maxNumber)) > 0:
		return 0, fmt.Errorf("%s is too large: want at most %s", text, count(maxNumber))
	}
	return int(n.Num().Int64()), nil
}

// count writes a number with commas between thousands.
func count(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// plural writes a number of things.
func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return count(n) + " " + what
}

// bytes writes a size in the largest unit in which it is whole.
func bytes(n int) string {
	for _, u := range []unit{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n > 0 && int64(n)%u.factor == 0 {
			return count(n/int(u.factor)) + " " + u.suffix
		}
	}
	return count(n) + " bytes"
}
