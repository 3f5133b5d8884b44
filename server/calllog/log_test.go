package calllog

import (
	"bufio"
	"encoding/json"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/pmemfs/safego"
	"pmemfs/server/rpc"
	"pmemfs/server/traffic"
)

// line is what a line says.
type line struct {
	Time, Client, Protocol, Procedure, Image, Export, Name, Status string
	File                                                           uint64
	User                                                           *uint32
	In, Out                                                        uint32
	Latency                                                        float64
}

func read(t *testing.T, path string) (list []line) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatalf("%v: %s", err, lines.Text())
		}
		list = append(list, l)
	}
	return list
}

// call is an answered call.
func call(table *traffic.Table, name string) (*rpc.Request, *rpc.Observed) {
	r := &rpc.Request{Remote: netip.MustParseAddrPort("10.0.0.1:700"), Record: []byte("x")}
	r.CredFlavor, r.Sys.UID = rpc.AuthSys, 1000
	r.Counted.File, r.Counted.Name = 17, []byte(name)
	o := &rpc.Observed{Event: traffic.Event{Procedure: traffic.NFS3.Procedure(3), Export: table.Export("image", "/a"), Status: 2, In: 100, Out: 32}, Arrived: 1000, Ended: 3500}
	return r, o
}

// TestLines logs calls, some with names that clients have made up.
func TestLines(t *testing.T) {
	table := traffic.New()
	path := filepath.Join(t.TempDir(), "log")
	l, err := Open(Config{Path: path, Traffic: table})
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"file", "\"}\n{\"x\":\"\\", "\xff\x00\x7f\u2028", strings.Repeat("\x01", 5000), ""}
	for _, n := range names {
		l.Answered(call(table, n))
	}
	r, o := call(table, "")
	r.Remote, r.CredFlavor, r.Counted.File, r.Counted.Name = netip.AddrPort{}, rpc.AuthNone, 0, nil
	l.Answered(r, o)
	l.Close()
	list := read(t, path)
	if len(list) != len(names)+1 {
		t.Fatalf("%d lines", len(list))
	}
	for i, want := range []string{"file", names[1], "\ufffd\x00\x7f\u2028", names[3][:nameMost], "", ""} {
		if list[i].Name != want {
			t.Errorf("name %d is %q, want %q", i, list[i].Name, want)
		}
	}
	if x := list[0]; x.Client != "10.0.0.1:700" || x.Protocol != "nfs3" || x.Procedure != "LOOKUP" || x.Export != "/a" || x.Image != "image" || x.File != 17 ||
		*x.User != 1000 || x.Status != "NFS3ERR_NOENT" || x.In != 100 || x.Out != 32 || x.Latency != 2.5e-6 || x.Time == "" {
		t.Errorf("%+v", x)
	}
	if x := list[5]; x.Client != "unix" || x.User != nil || x.File != 0 {
		t.Errorf("%+v", x)
	}
	if written, lost := l.Lines(); written != uint64(len(list)) || lost != 0 {
		t.Errorf("%d lines are written and %d lost", written, lost)
	}
}

// TestReopen moves the file away, from under goroutines that log.
func TestReopen(t *testing.T) {
	table := traffic.New()
	path := filepath.Join(t.TempDir(), "log")
	l, err := Open(Config{Path: path, Traffic: table, Sample: 2})
	if err != nil {
		t.Fatal(err)
	}
	var wg safego.Group
	for range 4 {
		wg.Go("client", func() {
			for range 500 {
				l.Answered(call(table, "file"))
			}
		})
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	for l.Reopen() != nil { // while what was written to before is busy
	}
	wg.Wait()
	l.Close()
	if n := len(read(t, path)) + len(read(t, path+".1")); n != 1000 {
		t.Errorf("%d lines of 2,000 calls, of which one in two has a line", n)
	}
	if _, err := Open(Config{Path: filepath.Join(path, "below")}); err == nil {
		t.Error("a log below a file can be opened")
	}
}

// TestStalls logs to a pipe that nobody reads: who logs does not wait, and what is lost is said.
func TestStalls(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	pr, pw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	table := traffic.New()
	l, err := Open(Config{Path: path, Traffic: table})
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	l.log = slog.New(slog.NewTextHandler(&said, nil))
	l.mu.Lock()
	l.old, l.to = append(l.old, l.to), pw
	l.mu.Unlock()
	for _, lost := l.Lines(); lost == 0; _, lost = l.Lines() {
		l.Answered(call(table, strings.Repeat("\x01", nameMost)))
	}
	l.mu.Lock()
	waiting := len(l.waiting)
	l.mu.Unlock()
	if waiting > queueMost+8<<10 {
		t.Errorf("%d bytes wait", waiting)
	}
	safego.Go("reader", func() { _, _ = io.Copy(io.Discard, pr) })
	l.Close()
	<-l.done
	if !strings.Contains(said.String(), "lines of the access log were lost") {
		t.Errorf("the server's log says %q", said.String())
	}
}
