package serverbench

import (
	"bytes"
	"slices"
	"testing"
)

func TestParseRunning(t *testing.T) {
	for _, c := range []struct {
		text, name, addr string
		root             []byte
	}{
		{"a=127.0.0.1:2049", "a", "127.0.0.1:2049", nil},
		{"knfsd=[::1]:2049/0100ff", "knfsd", "[::1]:2049", []byte{1, 0, 0xff}},
	} {
		r, err := ParseRunning(c.text)
		if err != nil || r.Name != c.name || r.Addr != c.addr || !bytes.Equal(r.Root, c.root) {
			t.Errorf("%s: %+v, %v", c.text, r, err)
		}
	}
	long := string(bytes.Repeat([]byte("00"), handleMax+1))
	for _, bad := range []string{"", "a", "=127.0.0.1:1", "a=host", "a=host:1/", "a=host:1/xyz", "a=host:1/0", "a=host:1/" + long} {
		if r, err := ParseRunning(bad); err == nil {
			t.Errorf("%q: %+v", bad, r)
		}
	}
}

// TestFillRunning: servers that run already are measured alone unless others are asked for.
func TestFillRunning(t *testing.T) {
	valid := Options{Rounds: 1, Cell: 1e9}
	one := Running{Name: "one", Addr: "127.0.0.1:1"}
	alone := valid
	alone.Running = []Running{one}
	if err := alone.Fill(); err != nil || !slices.Equal(alone.Targets, []string{"one"}) {
		t.Errorf("%v, %v", alone.Targets, err)
	}
	beside := valid
	beside.Running, beside.Targets = []Running{one}, []string{TargetNative, "one"}
	if err := beside.Fill(); err != nil {
		t.Error(err)
	}
	for what, change := range map[string]func(o *Options){
		"twice":            func(o *Options) { o.Running = append(o.Running, one) },
		"a known name":     func(o *Options) { o.Running = []Running{{Name: TargetMem}} },
		"9P":               func(o *Options) { o.Protocol = ProtocolNineP },
		"idle connections": func(o *Options) { o.Idle = 1 },
	} {
		bad := valid
		bad.Running = []Running{one}
		change(&bad)
		if err := bad.Fill(); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}
