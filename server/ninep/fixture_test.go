package ninep_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/pmemfstest"
	"pmemfs/server/export"
	"pmemfs/server/ninep"
	"pmemfs/server/ninetest"
	"pmemfs/server/rpc"
)

const (
	imageBytes   = 64 << 20
	messageBytes = 1<<20 + 64<<10
)

// patience is what only a hang takes: the machine may be busy with other things.
const patience = 3 * time.Minute

// fixture is an engine that is served over TCP and a unix socket.
type fixture struct {
	t     testing.TB
	eng   *pmemfs.FS
	table *export.Table
	addr  string
	unix  string
	grace atomic.Bool

	memory *rpc.Budget // nil for the default
}

// someUsers are a machine's users: 1000 is in groups 1000 and 50.
type someUsers struct{}

func (someUsers) ByName(name string) (uint32, bool) { return 1000, name == "someone" }

func (someUsers) Groups(uid uint32) (uint32, []uint32, bool) {
	if uid == panics {
		panic("a fault of ours")
	}
	return 1000, []uint32{50}, uid == 1000
}

// serve serves a new engine with one export, the whole of it, without squashing, unless change says otherwise.
func serve(t testing.TB, limits ninep.Limits, change ...func(*export.Export)) *fixture {
	t.Helper()
	return serveWith(t, nil, limits, change...)
}

// serveWith is serve with so much memory for requests.
func serveWith(t testing.TB, memory *rpc.Budget, limits ninep.Limits, change ...func(*export.Export)) *fixture {
	t.Helper()
	f := &fixture{t: t, unix: filepath.Join(t.TempDir(), "s"), memory: memory}
	var err error
	if f.eng, err = pmemfs.OpenMemory(imageBytes, pmemfs.DomainVolatile, pmemfs.Options{}); err != nil {
		t.Fatal(err)
	}
	f.exportWhole(change...)
	f.listen(limits)
	return f
}

// exportWhole exports the engine, without squashing unless change says otherwise.
func (f *fixture) exportWhole(change ...func(*export.Export)) {
	f.t.Helper()
	f.table = export.NewTable(f.eng)
	e := export.Default()
	e.Squash = export.SquashNone
	for _, c := range change {
		c(&e)
	}
	f.export(e)
}

// listen serves until the test ends, and looks then whether the engine is in order.
func (f *fixture) listen(limits ninep.Limits) {
	f.t.Helper()
	srv := ninep.New(ninep.Config{Images: []ninep.Image{{Engine: f.eng, Exports: f.table, InGrace: f.grace.Load}}, Limits: limits, MessageMax: messageBytes,
		Users: someUsers{}})
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, network := range []string{"tcp", "unix"} {
		address := "127.0.0.1:0"
		if network == "unix" {
			address = f.unix
		}
		l, err := net.Listen(network, address)
		if err != nil {
			f.t.Fatal(err)
		}
		if network == "tcp" {
			f.addr = l.Addr().String()
		}
		transport := rpc.NewServer(rpc.Config{Session: srv.Session, Budget: f.memory})
		wg.Go(func() {
			if err := transport.Serve(ctx, l); err != nil {
				f.t.Error(err)
			}
		})
	}
	f.t.Cleanup(func() {
		stop()
		wg.Wait()
		if n := f.eng.LockUsage(); n.Units != 0 {
			f.t.Errorf("locks are left: %+v", n)
		}
		pmemfstest.CheckFS(f.t, f.eng)
		if err := f.eng.Close(); err != nil {
			f.t.Error(err)
		}
	})
}

func (f *fixture) export(exports ...export.Export) {
	f.t.Helper()
	set, err := export.NewSet(exports)
	if err != nil {
		f.t.Fatal(err)
	}
	f.table.Store(set)
}

// dial connects.
func (f *fixture) dial() *ninetest.Client {
	f.t.Helper()
	c, err := ninetest.Dial("tcp", f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			f.t.Error(err)
		}
	})
	return c
}

// mount connects and attaches fid 0 to / as a user.
func (f *fixture) mount(uid uint32) *ninetest.Client {
	f.t.Helper()
	c := f.dial()
	f.ok(c.Begin(messageBytes, 0, "/", uid))
	return c
}

func (f *fixture) ok(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// walk is Walk of a whole path.
func (f *fixture) walk(c *ninetest.Client, fid, newFid uint32, names ...string) {
	f.t.Helper()
	list, err := c.Walk(fid, newFid, names...)
	if err != nil || len(list) != len(names) {
		f.t.Fatalf("walk %q: %d qids, %v", names, len(list), err)
	}
}

// file makes a file with content, with a fid that is open for both.
func (f *fixture) file(c *ninetest.Client, fid uint32, name, content string, mode uint32) {
	f.t.Helper()
	f.walk(c, 0, fid)
	f.ok(c.Create(fid, name, openRDWR, mode, ninetest.NoUID))
	if n, err := c.Write(fid, 0, []byte(content)); err != nil || int(n) != len(content) {
		f.t.Fatalf("write: %d, %v", n, err)
	}
}

// fails wants a number of Linux.
func (f *fixture) fails(want syscall.Errno, err error) {
	f.t.Helper()
	if !errors.Is(err, want) {
		f.t.Errorf("%v, want %v", err, want)
	}
}

// reads wants the content of an open file.
func (f *fixture) reads(c *ninetest.Client, fid uint32, want string) {
	f.t.Helper()
	if got, err := c.Read(fid, 0, 1000); err != nil || string(got) != want {
		f.t.Errorf("read %q, %v, want %q", got, err, want)
	}
}

const (
	openRDWR  = 2
	openEXCL  = 0o200
	openTRUNC = 0o1000
)
