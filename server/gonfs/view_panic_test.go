package gonfs

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/safego"
	"pmemfs/server/export"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// captured collects log lines.
type captured struct {
	mu   sync.Mutex
	text strings.Builder
}

func (c *captured) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

func (c *captured) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// TestPanicContained makes every procedure panic, both those answered here and those in go-nfs's goroutines, by taking the
// engine away. Each is answered with a failure, is logged, and the server goes on.
func TestPanicContained(t *testing.T) {
	eng, err := pmemfs.OpenMemory(64<<20, pmemfs.DomainVolatile, pmemfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	set, err := export.NewSet([]export.Export{export.Default()})
	if err != nil {
		t.Fatal(err)
	}
	log := &captured{}
	table := export.NewTable(eng)
	table.Store(set)
	srv := New(Config{Engine: eng, Exports: table, Logger: slog.New(slog.NewTextHandler(log, nil))})
	root := srv.handles.Append(nil, set.All()[0].ID(), eng.Root())
	// A worker that is there already, so that the panics happen in go-nfs's goroutine.
	warm := newWorker(srv)
	srv.workers.idle = append(srv.workers.idle, warm)
	srv.eng = nil
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	transport := rpc.NewServer(rpc.Config{Programs: []rpc.Program{srv.Program()}, Logger: srv.log})
	go func() { ended <- transport.Serve(ctx, l) }()

	e := rpc.NewEncoder(nil)
	e.Opaque(root)
	handle := e.Bytes()
	e = rpc.NewEncoder(nil)
	e.Raw(handle)
	e.Opaque([]byte("name"))
	entry := e.Bytes()
	before := safego.Panics()
	calls := map[uint32][]byte{
		nfswire.ProcGetattr: handle, nfswire.ProcLookup: entry, nfswire.ProcReadlink: handle, nfswire.ProcRemove: entry, nfswire.ProcRmdir: entry,
		nfswire.ProcAccess: append(handle[:len(handle):len(handle)], 0, 0, 0, 63), nfswire.ProcFsstat: handle, nfswire.ProcFsinfo: handle,
	}
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	records := rpc.NewRecordReader(conn, 1<<20, nil)
	for proc, args := range calls {
		call := rpc.NewEncoder(make([]byte, markBytes))
		for _, v := range []uint32{proc, 0, 2, nfswire.ProgNFS, nfswire.Version, proc, 0, 0, 0, 0} {
			call.Uint32(v)
		}
		call.Raw(args)
		rpc.SetMark(call.Bytes())
		if _, err := conn.Write(call.Bytes()); err != nil {
			t.Fatal(err)
		}
		reply, err := records.Next()
		if err != nil {
			t.Fatalf("procedure %d: %v", proc, err)
		}
		d := rpc.NewDecoder(reply[markBytes+20:])
		if accepted, status := d.Uint32(), d.Uint32(); accepted == 0 && status == 0 {
			t.Errorf("procedure %d succeeded without an engine", proc)
		}
	}
	if got := strings.Count(log.String(), "panic while serving") + int(safego.Panics()-before); got < len(calls) {
		t.Errorf("%d panics reported, want %d", got, len(calls))
	}
	if !strings.Contains(log.String(), "go-nfs.onLookup") {
		t.Error("no panic came from within go-nfs")
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if err := eng.Close(); err != nil {
		t.Fatal(err)
	}
}
