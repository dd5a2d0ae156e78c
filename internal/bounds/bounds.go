// SPDX-License-Identifier: MIT

// Package bounds rejects numbers on a command line that are outside the bounds of their
// flags, the tags min and max.
package bounds

import (
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/alecthomas/kong"
)

// Check rejects numbers on the command line that are outside the bounds of their flags,
// the tags min and max. It checks given flags only: a field that is 0 was not given if
// the least number is above 0.
func Check(parsed *kong.Context) error {
	for _, flag := range parsed.Flags() {
		if !flag.Set || !IsNumeric(flag.Target.Type()) {
			continue
		}
		if err := checkFlag(flag); err != nil {
			return err
		}
	}
	return nil
}

func checkFlag(flag *kong.Flag) error {
	values := []reflect.Value{flag.Target}
	if flag.Target.Kind() == reflect.Slice {
		values = nil
		for i := range flag.Target.Len() {
			values = append(values, flag.Target.Index(i))
		}
	}
	low, high := flag.Tag.Get("min"), flag.Tag.Get("max")
	for _, v := range values {
		if n := v.Int(); n < number(v.Type(), low) || n > number(v.Type(), high) {
			return fmt.Errorf("--%s %v: want %s to %s", flag.Name, v.Interface(), low, high)
		}
	}
	return nil
}

var durationType = reflect.TypeFor[time.Duration]()

// IsNumeric reports whether a flag's type takes bounds: a number, a duration, or
// several of one.
func IsNumeric(t reflect.Type) bool {
	if t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t.Kind() == reflect.Int || t == durationType
}

// number reads a bound, which is part of this program.
func number(t reflect.Type, text string) int64 {
	var n int64
	var err error
	if t == durationType {
		var d time.Duration
		d, err = time.ParseDuration(text)
		n = int64(d)
	} else {
		n, err = strconv.ParseInt(text, 10, 64)
	}
	if err != nil {
		panic(err)
	}
	return n
}
