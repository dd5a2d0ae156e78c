// SPDX-License-Identifier: MIT

package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/plan"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/trial"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

// native answers requests on the kernel that the test runs on. change, if set, modifies
// answers.
type native struct {
	Here
	change func(request Request, body []byte) ([]byte, error)
}

func (n native) Do(ctx context.Context, request any, timeout time.Duration, take func(json.RawMessage) error) error {
	return n.Here.Do(ctx, request, timeout, func(body json.RawMessage) (err error) {
		if n.change != nil {
			if body, err = n.change(request.(Request), body); err != nil {
				return err
			}
		}
		return take(body)
	})
}

// small is the plan with one configuration, made short.
func small(t *testing.T) *plan.Plan {
	t.Helper()
	p, err := plan.Load(plan.Plain)
	if err != nil {
		t.Fatal(err)
	}
	p.Values["events"], p.Blocks = []string{"20"}, 1
	return p
}

func run(t *testing.T, conn Conn, p *plan.Plan) ([]record.Trial, error) {
	t.Helper()
	testutils.Root(t)
	var trials []record.Trial
	cpus, err := trial.CPUs()
	if err != nil {
		t.Fatal(err)
	}
	r := Run{
		Fresh: func(context.Context) (Conn, error) { return conn, nil }, Timeout: time.Minute,
		Machine: record.Machine{Backend: "host", CPUs: len(cpus)},
		Why:     func(err error) (record.Status, string) { return record.Lost, err.Error() },
		Plan:    p, Kernel: record.Kernel{Want: "host"},
		Record: func(t *record.Trial) error { trials = append(trials, *t); return nil },
	}
	return trials, r.Do(t.Context())
}

func TestRun(t *testing.T) {
	trials, err := run(t, native{}, small(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(trials) != 4 {
		t.Fatalf("%d trials, want 4", len(trials))
	}
	for _, trial := range trials {
		if trial.Status != record.OK || trial.Counts == nil || trial.Counts.MissingTokens != 0 {
			t.Errorf("%s is %s: %s", trial.ID, trial.Status, trial.Reason)
		}
		if trial.Cell.Attach == "auto" {
			t.Error("the record does not say how the twin was attached")
		}
		if len(trial.Ledger) < 16 {
			t.Errorf("ledger of %d lines", len(trial.Ledger))
		}
	}
}

// TestRunSeesWhatIsWrong: a modified answer makes every trial that it concerns invalid.
func TestRunSeesWhatIsWrong(t *testing.T) {
	measured := func(change func(*Measured)) native {
		return native{change: func(request Request, body []byte) ([]byte, error) {
			if len(request.Trials) == 0 {
				return body, nil
			}
			var m Measured
			if err := json.Unmarshal(body, &m); err != nil {
				return nil, err
			}
			change(&m)
			return json.Marshal(m)
		}}
	}
	compared := native{change: func(request Request, body []byte) ([]byte, error) {
		if request.CheckTwins == nil || !bytes.Contains(body, []byte(`"truth"`)) { // the probe's answer comes first
			return body, nil
		}
		var c trial.TwinCheck
		if err := json.Unmarshal(body, &c); err != nil {
			return nil, err
		}
		c.Twins[vocab.Ringbuf][0].Message = "Hello Moon"
		return json.Marshal(c)
	}}
	for name, test := range map[string]struct {
		conn   Conn
		reason string
		differ bool
	}{
		"an event lost":      {measured(func(m *Measured) { m.Trial.Counts.Delivered-- }), "submitted = delivered", false},
		"a torn event":       {measured(func(m *Measured) { m.Trial.Counts.Torn++ }), "torn", false},
		"twins do not agree": {compared, "the twins deliver", true},
	} {
		t.Run(name, func(t *testing.T) {
			trials, err := run(t, test.conn, small(t))
			if errors.Is(err, ErrDiffer) != test.differ {
				t.Errorf("error %v", err)
			}
			if len(trials) != 4 {
				t.Fatalf("%d trials, want 4", len(trials))
			}
			for _, trial := range trials {
				if trial.Status != record.Invalid || !strings.Contains(trial.Reason, test.reason) {
					t.Errorf("%s is %s: %s", trial.ID, trial.Status, trial.Reason)
				}
			}
		})
	}
}

// TestRunRecordsWhyNothingWasMeasured: every planned trial has a status.
func TestRunRecordsWhyNothingWasMeasured(t *testing.T) {
	p := small(t)
	p.Attach = vocab.AttachFentry
	if _, err := bpf.ResolveAttach(vocab.AttachFentry); err == nil {
		p.Attach = "hook" // this kernel has fentry: take what no kernel has
	}
	trials, err := run(t, native{}, p)
	if err != nil {
		t.Fatal(err)
	}
	if len(trials) != 4 {
		t.Fatalf("%d trials, want 4", len(trials))
	}
	for _, trial := range trials {
		if trial.Status != record.Unsupported || trial.Reason == "" || trial.Counts != nil {
			t.Errorf("%s is %s: %q", trial.ID, trial.Status, trial.Reason)
		}
	}
}

// dying is a native connection that fails at its nth trial.
type dying struct {
	native
	trials int
}

var errDied = errors.New("the machine died")

func (d *dying) Do(ctx context.Context, request any, timeout time.Duration, take func(json.RawMessage) error) error {
	return d.native.Do(ctx, request, timeout, func(body json.RawMessage) error {
		if len(request.(Request).Trials) > 0 {
			if d.trials--; d.trials < 0 {
				return errDied
			}
		}
		return take(body)
	})
}

// TestACrashCostsItsBlock: the rest of the block is recorded with the reason,
// and the next block is measured on a fresh kernel.
func TestACrashCostsItsBlock(t *testing.T) {
	testutils.Root(t)
	p := small(t)
	p.Blocks = 3
	boots := 0
	var statuses []record.Status
	r := Run{
		// The second block's machine dies in its second trial, after two of warm-up.
		Timeout: time.Minute, Machine: record.Machine{CPUs: 2}, Fresh: func(context.Context) (Conn, error) {
			if boots++; boots == 2 {
				return &dying{trials: 3}, nil
			}
			return native{}, nil
		},
		Plan: p,
		Why: func(err error) (record.Status, string) {
			if !errors.Is(err, errDied) {
				t.Errorf("asked about %v", err)
			}
			return record.Lost, "died"
		},
		Record: func(t *record.Trial) error { statuses = append(statuses, t.Status); return nil },
	}
	if err := r.Do(t.Context()); !errors.Is(err, errDied) {
		t.Errorf("ended with %v", err)
	}
	want := strings.Repeat("ok ", 5) + strings.Repeat("lost ", 3) + strings.Repeat("ok ", 4)
	var got strings.Builder
	for _, status := range statuses {
		got.WriteString(string(status) + " ")
	}
	if got.String() != want {
		t.Errorf("statuses %s, want %s", got.String(), want)
	}
	if boots != 3 {
		t.Errorf("%d boots, want one a block", boots)
	}
}

// TestNoBoot: every trial of the plan is recorded.
func TestNoBoot(t *testing.T) {
	recorded := 0
	r := Run{
		Fresh: func(context.Context) (Conn, error) { return nil, errDied }, Machine: record.Machine{CPUs: 2},
		Plan: small(t),
		Why:  func(error) (record.Status, string) { return record.BootFailed, "why" },
		Record: func(of *record.Trial) error {
			if recorded++; of.Objects() == "" {
				t.Errorf("%s does not state what measured it", of.ID)
			}
			return nil
		},
	}
	if err := r.Do(t.Context()); !errors.Is(err, errDied) || recorded != 4 {
		t.Errorf("%d recorded, %v", recorded, err)
	}
}

func TestHandleRefuses(t *testing.T) {
	testutils.Root(t)
	none := func(any) error { return errors.New("answered") }
	for _, request := range []string{"", "[]", "{}", `{"trials":3}`} {
		if err := Handle(t.Context(), json.RawMessage(request), none); err == nil {
			t.Errorf("%q accepted", request)
		}
	}
}

func TestDifference(t *testing.T) {
	a, b, c := trial.Normal{Token: 1}, trial.Normal{Token: 2, Command: "x"}, trial.Normal{Token: 3}
	for _, test := range []struct {
		want, got []trial.Normal
		text      string
	}{
		{[]trial.Normal{a, b}, []trial.Normal{a, b}, ""},
		{nil, nil, ""},
		{[]trial.Normal{a, b}, []trial.Normal{b, a}, "the same events in another order"},
		{[]trial.Normal{a, b, b}, []trial.Normal{b, c}, "- {Token:1 PID:0 UID:0 Command: Message:}\n- {Token:2 PID:0 UID:0 Command:x Message:}\n+ {Token:3 PID:0 UID:0 Command: Message:}"},
		{nil, []trial.Normal{c}, "+ {Token:3 PID:0 UID:0 Command: Message:}"},
	} {
		if text := difference(test.want, test.got); text != test.text {
			t.Errorf("%v and %v: %q, want %q", test.want, test.got, text, test.text)
		}
	}
}

func TestDiffer(t *testing.T) {
	one := []trial.Normal{{Token: 1, Message: "Hey root!"}}
	twins := func(perf, ring []trial.Normal) map[vocab.Transport][]trial.Normal {
		return map[vocab.Transport][]trial.Normal{vocab.Perf: perf, vocab.Ringbuf: ring}
	}
	counted := map[vocab.Transport]int{vocab.CountOnly: 1}
	if err := Differ(trial.TwinCheck{Truth: one, Twins: twins(one, one), Counted: counted}); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]trial.TwinCheck{
		"nothing ran":   {},
		"perf lost one": {Truth: one, Twins: twins(nil, one)},
		"ring lost one": {Truth: one, Twins: twins(one, nil)},
		"one too many":  {Truth: one, Twins: twins(one, append(one, one...))},
		"other message": {Truth: one, Twins: twins([]trial.Normal{{Token: 1}}, one)},
		"counted two":   {Truth: one, Counted: map[vocab.Transport]int{vocab.CountOnly: 2}},
	} {
		if err := Differ(c); !errors.Is(err, ErrDiffer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWhatCannotBeStoredEndsTheRun: the error is returned, and measuring stops.
func TestWhatCannotBeStoredEndsTheRun(t *testing.T) {
	testutils.Root(t)
	p := small(t)
	p.Blocks = 3
	errFull := errors.New("the disk is full")
	boots, stored := 0, 0
	r := Run{
		Fresh: func(context.Context) (Conn, error) { boots++; return native{}, nil }, Timeout: time.Minute, Machine: record.Machine{CPUs: 2},
		Plan: p,
		Why: func(err error) (record.Status, string) {
			t.Errorf("asked about %v", err)
			return record.Failed, ""
		},
		Record: func(*record.Trial) error {
			if stored == 6 {
				return errFull
			}
			stored++
			return nil
		},
	}
	if err := r.Do(t.Context()); !errors.Is(err, ErrStore) || !errors.Is(err, errFull) {
		t.Errorf("ended with %v", err)
	}
	if boots != 2 {
		t.Errorf("%d boots, want two blocks", boots)
	}
}

// TestGoesOnUntilDecided: a plan without a number of blocks ends when all primary metrics
// are decided, or when its budget is spent, after at least one block of each
// configuration.
func TestGoesOnUntilDecided(t *testing.T) {
	testutils.Root(t)
	answers := map[*Timed]int{}
	halved := native{change: func(request Request, body []byte) ([]byte, error) {
		if len(request.Trials) == 0 {
			return body, nil
		}
		of := &request.Trials[0]
		answered := answers[of]
		answers[of]++
		var m Measured
		if err := json.Unmarshal(body, &m); err != nil {
			return nil, err
		}
		cost := 1000.0
		if request.Trials[answered].Cell.Transport == vocab.Ringbuf {
			cost = 500
		}
		m.Trial.Cost.ProducerNSPerEvent, m.Trial.Cost.ConsumerCPUNSPerEvent, m.Trial.Latency = cost, cost, nil
		return json.Marshal(m)
	}}
	for name, test := range map[string]struct {
		budget      time.Duration
		least, most int // blocks
	}{
		"decided":      {time.Hour, 7, 10},
		"budget spent": {0, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := small(t)
			p.Blocks, p.Budget = 0, test.budget
			var trials []record.Trial
			r := Run{
				Plan:  p,
				Fresh: func(context.Context) (Conn, error) { return halved, nil }, Timeout: time.Minute,
				Machine: record.Machine{Clock: record.Wall, CPUs: 2},
				Why:     func(err error) (record.Status, string) { return record.Lost, err.Error() },
				Record:  func(t *record.Trial) error { trials = append(trials, *t); return nil },
			}
			if err := r.Do(t.Context()); err != nil {
				t.Fatal(err)
			}
			blocks := len(trials) / 4
			if len(trials)%4 != 0 || blocks < test.least || blocks > test.most || verdict.Open(trials) != (test.budget == 0) {
				t.Errorf("%d trials, open %t", len(trials), verdict.Open(trials))
			}
			if last := trials[len(trials)-1]; last.Trial.Trials != len(trials) {
				t.Errorf("the last of %d says that %d were planned", len(trials), last.Trial.Trials)
			}
		})
	}
}

// TestParts: only the selected configurations of a plan are measured, and with CountsOnly
// only counts are kept.
func TestParts(t *testing.T) {
	testutils.Root(t)
	p, err := plan.Parse([]byte("name: x\nworkload: storm\nevents: 20\nring_bytes_each: 65536\nblocks: 1\nscenarios: [{name: a, shows: delivery}, {name: b, shows: costs}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for clock, shows := range map[string]string{record.Wall: record.ShowsDelivery, record.Virtual: record.ShowsCosts} {
		r := Run{
			Plan: p, Fresh: func(context.Context) (Conn, error) { return native{}, nil }, Timeout: time.Minute,
			Machine: record.Machine{Clock: clock, CPUs: 2}, CountsOnly: clock == record.Wall,
			Wants: func(s *plan.Configuration) bool { return s.Shows == shows },
			Why:   func(err error) (record.Status, string) { return record.Lost, err.Error() },
			Record: func(t *record.Trial) error {
				seen[t.Machine.Clock+" "+t.Trial.Scenario]++
				if timed := t.Cost != nil && t.Latency != nil; t.Counts == nil || timed == (t.Machine.Clock == record.Wall) || t.Trial.Trials != 4 {
					return errors.New("not what is wanted of " + t.ID)
				}
				return nil
			},
		}
		if err := r.Do(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(map[string]int{"wall a": 4, "virtual b": 4}, seen); diff != "" {
		t.Errorf("trials (-want +got):\n%s", diff)
	}
}

// complaining is a native connection whose kernel has a splat at its nth trial, or at the
// end.
type complaining struct {
	native
	at, trials int
	closed     bool
}

func (c *complaining) Do(ctx context.Context, request any, timeout time.Duration, take func(json.RawMessage) error) error {
	return c.native.Do(ctx, request, timeout, func(body json.RawMessage) error {
		if len(request.(Request).Trials) > 0 {
			c.trials++
		}
		return take(body)
	})
}

func (c *complaining) Complaint() (string, error) {
	if c.trials >= c.at || c.closed && c.at == atEnd {
		return "warning: something is wrong (line 7 of the console)", nil
	}
	return "", nil
}

func (c *complaining) Close() error { c.closed = true; return nil }

const atEnd = 1 << 20

// TestComplaints: all trials after a splat have that status, and a splat that is the
// status of no trial is an error.
func TestComplaints(t *testing.T) {
	testutils.Root(t)
	for name, c := range map[string]struct {
		at, ok, splat int
		alone         bool
	}{
		// Two trials warm up before the four of the block.
		"at the first trial": {at: 3, splat: 4},
		"at the third trial": {at: 5, ok: 2, splat: 2},
		"after the last":     {at: atEnd, ok: 4, alone: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := small(t)
			p.Blocks = 1
			count := map[record.Status]int{}
			r := Run{
				Plan: p, Timeout: time.Minute, Machine: record.Machine{CPUs: 2},
				Fresh:  func(context.Context) (Conn, error) { return &complaining{at: c.at}, nil },
				Why:    func(err error) (record.Status, string) { return record.Failed, err.Error() },
				Record: func(t *record.Trial) error { count[t.Status]++; return nil },
			}
			err := r.Do(t.Context())
			var alone *ComplaintError
			if errors.As(err, &alone) != c.alone || !c.alone && err != nil {
				t.Errorf("ended with %v", err)
			}
			if count[record.OK] != c.ok || count[record.Splat] != c.splat {
				t.Errorf("statuses %v", count)
			}
		})
	}
}
