// SPDX-License-Identifier: MIT

package vocab

import "testing"

func TestShards(t *testing.T) {
	for _, test := range []struct {
		text        string
		cpus, rings int // 0: refused
		each        int
	}{
		{"", 4, 4, 1}, {"cpu", 4, 4, 1}, {"cpu/2", 4, 2, 2}, {"cpu/2", 5, 3, 2}, {"cpu/2", 1, 1, 2}, {"3", 4, 3, 1},
		{"5", 4, 0, 0}, {"0", 4, 0, 0}, {"-1", 4, 0, 0}, {"cpu/0", 4, 0, 0}, {"cpu2", 4, 0, 0}, {"cpus", 4, 0, 0}, {"99999", 4, 0, 0},
	} {
		s, err := ParseShards(test.text)
		if err == nil {
			err = s.CheckFor(test.cpus)
		}
		if (err == nil) != (test.rings > 0) {
			t.Errorf("%q on %d CPUs: %v", test.text, test.cpus, err)
			continue
		}
		if err == nil && (s.Rings(test.cpus) != test.rings || s.Each() != test.each) {
			t.Errorf("%q on %d CPUs: %d rings, %d CPUs each, want %d and %d", test.text, test.cpus, s.Rings(test.cpus), s.Each(), test.rings, test.each)
		}
		if err == nil { // every CPU has a ring that is there
			for cpu := range test.cpus {
				if shard := cpu / s.Each() % test.rings; shard >= test.rings {
					t.Errorf("%q: CPU %d has shard %d", test.text, cpu, shard)
				}
			}
		}
	}
}

func TestStage(t *testing.T) {
	for _, test := range []struct {
		text          string
		bytes, events int
		ring          int
		fine          bool
	}{
		{"", 64, 1000, 1 << 20, true}, {"", 64, 10, 4096, true}, {"events=64", 64, 1000, 1 << 20, true}, {"bytes=1024", 64, 1000, 1 << 20, true},
		{"ms=10", 64, 1000, 1 << 20, true},
		{"events=0", 64, 1000, 1 << 20, false}, {"events=64", 64, 63, 1 << 20, false}, {"events=1000", 64, 10_000, 1 << 20, false},
		{"bytes=32", 64, 1000, 1 << 20, false}, {"bytes=99999", 64, 1000, 1 << 20, false}, {"events=64", 64, 1000, 4096, false},
		{"events", 64, 1000, 1 << 20, false}, {"ms=-1", 64, 1000, 1 << 20, false}, {"", 20_000, 1000, 1 << 20, false}, {"weight=1", 64, 1000, 1 << 20, false},
	} {
		s, err := ParseStage(test.text)
		if test.text == "" {
			s, err = "", nil
		}
		if err == nil {
			err = s.For(test.bytes, test.ring).CheckFor(test.bytes, test.events, test.ring)
		}
		if (err == nil) != test.fine {
			t.Errorf("%q: %v", test.text, err)
		}
	}
}

// TestSizes: a distribution has sixteen events, and each of its classes comes as often as it
// says.
func TestSizes(t *testing.T) {
	for text, most := range map[string]int{
		"two": 512, "heavy": 2048, "16x64": 64, "15x64+1x2048": 2048,
		"15x64": 0, "17x64": 0, "16x4": 0, "16": 0, "x64": 0, "": 0, "16x99999": 0, "8x64+8": 0,
	} {
		s, err := ParseSizes(text)
		if (err == nil) != (most > 0) || err == nil && s.Most() != most {
			t.Errorf("%q: largest %d, %v, want %d", text, s.Most(), err, most)
		}
	}
	table := Sizes("15x64+1x2048").Table()
	seen := map[int]int{}
	for seq := range uint32(160) {
		seen[SizeOf(table, seq)]++
	}
	if seen[64] != 150 || seen[2048] != 10 {
		t.Errorf("of 160 events: %v", seen)
	}
}

func TestDisturbances(t *testing.T) {
	for text, fine := range map[string]bool{"": true, "1": true, "1/returns": true, "3/leaves": true, "1/": false, "x": false, "-1": false, "1/stays": false} {
		if _, err := ParseOffline(text); (err == nil) != fine {
			t.Errorf("offline %q: %v", text, err)
		}
	}
	for _, test := range []struct {
		offline Offline
		cpus    int
		fine    bool
	}{{"", 1, true}, {"1", 4, true}, {"1", 2, true}, {"4", 4, false}, {"0", 4, false}, {"0", 1, false}} {
		if err := test.offline.CheckFor(test.cpus); (err == nil) != test.fine {
			t.Errorf("CPU %q of %d: %v", test.offline, test.cpus, err)
		}
	}
	for text, fine := range map[string]bool{"": true, "quota=20": true, "nice=19": true, "quota=0": false, "quota=101": false, "nice=20": false, "idle": false} {
		if _, err := ParseReaderCPU(text); (err == nil) != fine {
			t.Errorf("reader's CPU %q: %v", text, err)
		}
	}
}

// TestReaders: each transport's are in the table, and others are refused.
func TestReaders(t *testing.T) {
	for _, kind := range Transports() {
		for _, r := range kind.Spec().Family.Readers {
			if r.Spec().Text == "" || kind.CheckReader(r) != nil {
				t.Errorf("%s: reader %q", kind, r)
			}
		}
		if kind.CheckReader("owl") == nil || kind.CheckReader("") != nil {
			t.Errorf("%s: an unknown reader is accepted, or its default is not", kind)
		}
	}
	if Ringbuf.CheckReader(RawMerge) == nil {
		t.Error("one ring is merged")
	}
}
