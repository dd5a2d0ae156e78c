// SPDX-License-Identifier: MIT

package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/internal/golden"
)

// full is a trial with every field set, so that a round trip misses none.
func full(t testing.TB) Trial {
	t.Helper()
	var trial Trial
	fillIn(t, reflect.ValueOf(&trial).Elem())
	trial.Schema, trial.Status = Schema, OK
	for _, part := range []*Part{&trial.Profile.Program, &trial.Profile.Reader} {
		part.Stacks[0].Frames[0] = 0 // the one function
	}
	return trial
}

func fillIn(t testing.TB, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fillIn(t, v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillIn(t, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fillIn(t, v.Index(0))
	case reflect.Array:
		for i := range v.Len() {
			fillIn(t, v.Index(i))
		}
	case reflect.Map:
		if v.Type().Elem().Kind() == reflect.Slice {
			v.Set(reflect.ValueOf(map[string][]int{"ENOENT": {3}}))
			return
		}
		v.Set(reflect.ValueOf(map[string]uint64{"ENOSPC": 3}))
	case reflect.String:
		v.SetString("text <&> \u2028")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint64:
		v.SetUint(1 << 63)
	case reflect.Float64:
		v.SetFloat(0.1)
	default:
		t.Fatalf("no value for a %s", v.Kind())
	}
}

func TestRoundTrip(t *testing.T) {
	want := []Trial{full(t), {Schema: Schema, ID: "missing", Status: Panic, Reason: "why"}}
	var b bytes.Buffer
	for i := range want {
		if err := Write(&b, &want[i]); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestReadTellsBadLines: bad lines are reported, and the others are used.
func TestReadTellsBadLines(t *testing.T) {
	var b bytes.Buffer
	good := full(t)
	if err := Write(&b, &good); err != nil {
		t.Fatal(err)
	}
	line := strings.TrimSuffix(b.String(), "\n")
	b.Reset()
	good.ID = "another"
	if err := Write(&b, &good); err != nil {
		t.Fatal(err)
	}
	other := strings.TrimSuffix(b.String(), "\n")
	for name, bad := range map[string]string{
		"cut off":       line[:len(line)/2],
		"no JSON":       "text",
		"other schema":  strings.Replace(line, Schema, "ringtwin/trial/v9", 1),
		"no schema":     "{}",
		"unknown field": strings.Replace(line, `"schema"`, `"later":1,"schema"`, 1),
		"wrong type":    strings.Replace(line, `"started":9223372036854775808`, `"started":-1`, 1),
		"a number":      "3",
		"twice":         line,
		"too long":      `{"schema":"` + strings.Repeat("x", maxLine) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Read(strings.NewReader(line + "\n\n" + bad + "\n" + other))
			var le *LineError
			if !errors.As(err, &le) || le.Line != 3 {
				t.Errorf("error %v, want one of line 3", err)
			}
			if len(got) != 2 {
				t.Errorf("%d trials, want the good ones before and after", len(got))
			}
		})
	}
	if got, err := Read(strings.NewReader(line + "\n" + other)); err != nil || len(got) != 2 {
		t.Errorf("%d trials of a last line without its end, %v", len(got), err)
	}
	if got, err := Read(strings.NewReader(line + "\n" + other[:len(other)/2])); !errors.Is(err, ErrTruncated) || len(got) != 1 {
		t.Errorf("%d trials of a last line that was cut off, %v", len(got), err)
	}
	if _, err := Read(strings.NewReader(strings.Repeat("x\n", 1000))); strings.Count(err.Error(), "\n") != mostErrors || !strings.HasSuffix(err.Error(), "and 900 more lines") {
		t.Errorf("a thousand bad lines are told as %v", err)
	}
}

// TestReadFigures: fields that figures do not need are omitted.
func TestReadFigures(t *testing.T) {
	var b bytes.Buffer
	want := full(t)
	if err := Write(&b, &want); err != nil {
		t.Fatal(err)
	}
	want.Ledger, want.Machine.Command, want.Latency.HDR, want.Intended.HDR = nil, "", "", ""
	got, err := ReadFigures(&b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Trial{want}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestOrder: lines are decoded on all CPUs, and stay in order.
func TestOrder(t *testing.T) {
	var b bytes.Buffer
	for i := range 1000 {
		if err := Write(&b, &Trial{Schema: Schema, ID: strconv.Itoa(i)}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Read(&b)
	if err != nil || len(got) != 1000 {
		t.Fatalf("%d trials, %v", len(got), err)
	}
	for i := range got {
		if got[i].ID != strconv.Itoa(i) {
			t.Fatalf("%s at place %d", got[i].ID, i)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	var text bytes.Buffer
	trial := full(b)
	trial.Latency.HDR = strings.Repeat("x", 600)
	for i := range 1000 {
		trial.ID = strconv.Itoa(i)
		if err := Write(&text, &trial); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		if trials, err := ReadFigures(bytes.NewReader(text.Bytes())); err != nil || len(trials) != 1000 {
			b.Fatal(len(trials), err)
		}
	}
}

func TestReadFileNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.jsonl")
	if err := os.WriteFile(path, []byte("x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	if _, err := ReadFile(path + ".none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestProfileCounts: zeros at the end are left out, and records with fewer counters are read.
func TestProfileCounts(t *testing.T) {
	for _, test := range []struct {
		counts ProfileCounts
		text   string
	}{
		{ProfileCounts{}, "[]"},
		{ProfileCounts{Instructions: 7}, "[7]"},
		{ProfileCounts{Instructions: -7, Stores: 2}, "[-7,0,2]"},
		{ProfileCounts{HeldTransfers: 1}, "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1]"},
	} {
		text, err := json.Marshal(test.counts)
		if err != nil || string(text) != test.text {
			t.Errorf("%v is %s, %v, want %s", test.counts, text, err, test.text)
		}
		got := ProfileCounts{5: 5} // what was there does not stay
		if err := json.Unmarshal(text, &got); err != nil || got != test.counts {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	// As ringtwin wrote it with nine counters.
	var got ProfileCounts
	if err := json.Unmarshal([]byte("[1,2,3,4,5,6,0,0,0]"), &got); err != nil || got != (ProfileCounts{1, 2, 3, 4, 5, 6}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1]", `{"0":1}`, "[1.5]", `["1"]`} {
		if err := json.Unmarshal([]byte(bad), &got); err == nil {
			t.Errorf("%s is %v", bad, got)
		}
	}
}

// TestSchema: the published schema is that of the Go types.
func TestSchema(t *testing.T) {
	reflector := &jsonschema.Reflector{Anonymous: true}
	if err := reflector.AddGoComments("github.com/ringtwin/ringtwin/harness/record", "./"); err != nil {
		t.Fatal(err)
	}
	// Examples, and no enum: a newer version may have more.
	words := map[reflect.Type][]any{
		reflect.TypeFor[vocab.Transport](): anys(vocab.Transports()),
		reflect.TypeFor[vocab.Policy]():    policies(),
		reflect.TypeFor[vocab.Attach]():    anys(vocab.Attaches()),
		reflect.TypeFor[vocab.Workload]():  anys(vocab.Workloads()),
		reflect.TypeFor[vocab.Placement](): anys(vocab.Placements()),
	}
	reflector.Mapper = func(t reflect.Type) *jsonschema.Schema {
		if t == reflect.TypeFor[ProfileCounts]() {
			return &jsonschema.Schema{Type: "array", Items: &jsonschema.Schema{Type: "integer"}, Description: "Counts are in the order of ProfileCounters, without the zeros at the end."}
		}
		if words[t] == nil {
			return nil
		}
		return &jsonschema.Schema{Type: "string", Examples: words[t]}
	}
	schema := reflector.Reflect(&Trial{})
	schema.ID = Schema
	got, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const path = "../../docs/trial-v1.schema.json"
	golden.Check(t, path, string(got)) // make generate writes it anew
}

func anys[T any](values []T) []any {
	var all []any
	for _, v := range values {
		all = append(all, v)
	}
	return all
}

func policies() []any {
	var all []any
	for _, p := range vocab.Policies() {
		all = append(all, p.Kind.Usage())
	}
	return all
}

func TestStatusesAreAll(t *testing.T) {
	if n := len(Statuses()); n != 13 || !slices.Contains(Statuses(), Cancelled) {
		t.Errorf("%d statuses", n)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"schema":"ringtwin/trial/v1","id":"x","status":"ok"}` + "\n{"))
	f.Fuzz(func(t *testing.T, in []byte) {
		trials, _ := Read(bytes.NewReader(in))
		var b bytes.Buffer
		for i := range trials {
			if err := Write(&b, &trials[i]); err != nil {
				t.Fatal(err)
			}
		}
		again, err := Read(&b)
		if err != nil || len(again) != len(trials) {
			t.Errorf("%d trials became %d: %v", len(trials), len(again), err)
		}
	})
}
