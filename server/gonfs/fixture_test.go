package gonfs_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/gonfs"
	"pmemfs/server/handle"
	"pmemfs/server/mount3"
	"pmemfs/server/rpc"
)

const imageBytes = 64 << 20

// site is an image on disk and the server that runs on it, which can be restarted.
type site struct {
	t       testing.TB
	path    string
	exports []export.Export
	limits  rpc.Limits

	eng  *pmemfs.FS
	srv  *gonfs.Server
	addr string
	stop func()
}

func newSite(t testing.TB, change func(*site)) *site {
	t.Helper()
	s := &site{t: t, path: filepath.Join(t.TempDir(), "image"), exports: []export.Export{export.Default()}}
	s.exports[0].Squash = export.SquashNone
	if change != nil {
		change(s)
	}
	must(t, pmemfs.Format(s.path, pmemfs.FormatOptions{Size: imageBytes, RootMode: 0o777}))
	s.start()
	t.Cleanup(func() {
		s.stop()
		report, err := pmemfs.Check(s.path, pmemfs.CheckOptions{})
		if err != nil {
			t.Errorf("check: %v", err)
			return
		}
		for _, f := range report.Faults {
			t.Errorf("check: offset %d: %s: expected %s, found %s", f.Offset, f.Object, f.Expected, f.Found)
		}
	})
	return s
}

// start opens the image and serves it on a new port. Where a test needs directories for its exports, it has made them.
func (s *site) start() {
	s.t.Helper()
	eng, err := pmemfs.Open(s.path, pmemfs.Options{Durability: pmemfs.DurabilityProcess})
	must(s.t, err)
	set, err := export.NewSet(s.exports)
	must(s.t, err)
	for _, e := range s.exports {
		if e.Subtree != "/" {
			_, err := eng.Mkdir(&pmemfs.Cred{}, nil, eng.Root(), []byte(e.Subtree[1:]), &pmemfs.SetAttr{Mask: pmemfs.SetMode, Mode: 0o777})
			if err != nil && statOf(err) != "EEXIST" {
				s.t.Fatal(err)
			}
		}
	}
	log := slog.New(slog.NewTextHandler(logTo{s.t}, nil))
	table := export.NewTable(eng)
	if missing := table.Store(set); missing != nil {
		s.t.Fatal(missing)
	}
	mounts := mount3.New(mount3.Config{Images: []mount3.Image{{Engine: eng, Exports: table, Handles: handle.New(eng)}}, Logger: log}).Program()
	srv := gonfs.New(gonfs.Config{Engine: eng, Exports: table, Logger: log})
	transport := rpc.NewServer(rpc.Config{Programs: []rpc.Program{srv.Program(), mounts}, Logger: log, Limits: s.limits})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(s.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- transport.Serve(ctx, l) }()
	s.eng, s.srv, s.addr = eng, srv, l.Addr().String()
	s.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("serve: %v", err)
		}
		srv.Close()
		if err := eng.Close(); err != nil {
			s.t.Errorf("close: %v", err)
		}
	}
}

func (s *site) restart() {
	s.t.Helper()
	s.stop()
	s.start()
}

func statOf(err error) string {
	if e, ok := err.(*pmemfs.Error); ok && e == pmemfs.ErrExist {
		return "EEXIST"
	}
	return err.Error()
}

type logTo struct{ t testing.TB }

func (l logTo) Write(p []byte) (int, error) {
	l.t.Logf("%s", p)
	return len(p), nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// patience is what only a hang takes: the machine may be busy with other things.
const patience = 3 * time.Minute

// client speaks raw RPC.
type client struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
	cred []byte // an opaque_auth
}

var xids atomic.Uint32

func (s *site) dial() *client {
	s.t.Helper()
	conn, err := net.DialTimeout("tcp", s.addr, patience)
	must(s.t, err)
	s.t.Cleanup(func() { conn.Close() })
	return &client{t: s.t, conn: conn, r: bufio.NewReader(conn), cred: sysAuth(0, 0)}
}

// as returns the same connection used by another caller.
func (c *client) as(uid, gid uint32, groups ...uint32) *client {
	d := *c
	d.cred = sysAuth(uid, gid, groups...)
	return &d
}

func sysAuth(uid, gid uint32, groups ...uint32) []byte {
	b := rpc.NewEncoder(nil)
	b.Uint32(1) // stamp
	b.Opaque([]byte("host"))
	b.Uint32(uid)
	b.Uint32(gid)
	b.Uint32(uint32(len(groups)))
	for _, g := range groups {
		b.Uint32(g)
	}
	e := rpc.NewEncoder(nil)
	e.Uint32(rpc.AuthSys)
	e.Opaque(b.Bytes())
	return e.Bytes()
}

func noAuth() []byte { return make([]byte, 8) }

// callRecord builds a call without its record mark.
func (c *client) callRecord(rpcvers, prog, vers, proc uint32, args []byte) (uint32, []byte) {
	xid := xids.Add(1)
	e := rpc.NewEncoder(nil)
	for _, v := range []uint32{xid, 0, rpcvers, prog, vers, proc} {
		e.Uint32(v)
	}
	e.Raw(c.cred)
	e.Raw(noAuth())
	e.Raw(args)
	return xid, e.Bytes()
}

func (c *client) send(record []byte) {
	c.t.Helper()
	_, err := c.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(record))|1<<31), record...))
	must(c.t, err)
}

// recv returns the next reply record.
func (c *client) recv() []byte {
	c.t.Helper()
	b, err := c.tryRecv()
	must(c.t, err)
	return b
}

func (c *client) tryRecv() ([]byte, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	var mark [4]byte
	if _, err := io.ReadFull(c.r, mark[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(mark[:])&^(1<<31))
	_, err := io.ReadFull(c.r, b)
	return b, err
}

// rpc makes a call and returns its accept_stat and what follows it.
func (c *client) rpc(prog, vers, proc uint32, args []byte) (rpc.AcceptStat, *rpc.Decoder) {
	c.t.Helper()
	xid, record := c.callRecord(2, prog, vers, proc, args)
	c.send(record)
	return c.accepted(xid, c.recv())
}

func (c *client) accepted(xid uint32, reply []byte) (rpc.AcceptStat, *rpc.Decoder) {
	c.t.Helper()
	d := rpc.NewDecoder(reply)
	if got := d.Uint32(); got != xid {
		c.t.Fatalf("reply to %d, want %d", got, xid)
	}
	if d.Uint32() != 1 || d.Uint32() != 0 {
		c.t.Fatalf("not an accepted reply: %x", reply)
	}
	d.Uint32()
	d.Opaque(400)
	return rpc.AcceptStat(d.Uint32()), d
}

// nfs makes an NFS call that must be accepted and returns its status and what follows.
func (c *client) nfs(proc uint32, args []byte) (uint32, *rpc.Decoder) {
	c.t.Helper()
	st, d := c.rpc(100003, 3, proc, args)
	if st != rpc.Success {
		c.t.Fatalf("procedure %d: accept_stat %d", proc, st)
	}
	return d.Uint32(), d
}

// ok is nfs for a call that must succeed.
func (c *client) ok(proc uint32, args []byte) *rpc.Decoder {
	c.t.Helper()
	st, d := c.nfs(proc, args)
	if st != 0 {
		c.t.Fatalf("procedure %d: status %d", proc, st)
	}
	return d
}

// want is nfs for a call that must fail with a status and with a well-formed reply: flags of absent or attributes.
func (c *client) want(status, proc uint32, args []byte) {
	c.t.Helper()
	if st, _ := c.nfs(proc, args); st != status {
		c.t.Errorf("procedure %d: status %d, want %d", proc, st, status)
	}
}

// pack encodes arguments: integers, handles and strings.
func pack(values ...any) []byte {
	e := rpc.NewEncoder(nil)
	for _, v := range values {
		switch v := v.(type) {
		case int:
			e.Uint32(uint32(v))
		case uint32:
			e.Uint32(v)
		case uint64:
			e.Uint64(v)
		case string:
			e.Opaque([]byte(v))
		case []byte:
			e.Opaque(v)
		case raw:
			e.Raw(v)
		default:
			panic(fmt.Sprintf("pack %T", v))
		}
	}
	return e.Bytes()
}

// raw is XDR already.
type raw []byte

// attr is fattr3.
type attr struct {
	typ, mode, nlink, uid, gid uint32
	size, used                 uint64
	major, minor               uint32
	fsid, ino                  uint64
	times                      [6]uint32
}

func fattr(d *rpc.Decoder) (a attr) {
	a.typ, a.mode, a.nlink, a.uid, a.gid = d.Uint32(), d.Uint32(), d.Uint32(), d.Uint32(), d.Uint32()
	a.size, a.used = d.Uint64(), d.Uint64()
	a.major, a.minor = d.Uint32(), d.Uint32()
	a.fsid, a.ino = d.Uint64(), d.Uint64()
	for i := range a.times {
		a.times[i] = d.Uint32()
	}
	return a
}

func postOp(d *rpc.Decoder) (a attr, present bool) {
	if d.Bool() {
		return fattr(d), true
	}
	return attr{}, false
}

// wcc reads wcc_data and returns the attributes after.
func wcc(d *rpc.Decoder) (a attr, atomic bool) {
	if atomic = d.Bool(); atomic {
		d.Fixed(24)
	}
	a, _ = postOp(d)
	return a, atomic
}

func (c *client) mnt(dir string) ([]byte, uint32) {
	c.t.Helper()
	st, d := c.rpc(100005, 3, 1, pack(dir))
	if st != rpc.Success {
		c.t.Fatalf("MNT: accept_stat %d", st)
	}
	if status := d.Uint32(); status != 0 {
		return nil, status
	}
	return d.Opaque(64), 0
}

func (c *client) root() []byte {
	c.t.Helper()
	fh, st := c.mnt("/")
	if st != 0 {
		c.t.Fatalf("MNT: %d", st)
	}
	return fh
}

func (c *client) getattr(fh []byte) attr {
	c.t.Helper()
	return fattr(c.ok(1, pack(fh)))
}

func (c *client) lookup(dir []byte, name string) []byte {
	c.t.Helper()
	return c.ok(3, pack(dir, name)).Opaque(64)
}

func sattr(mode int) raw { return raw(pack(1, mode, 0, 0, 0, 0, 0)) }

var noSattr = raw(pack(0, 0, 0, 0, 0, 0))

// create makes a file, GUARDED, and returns its handle.
func (c *client) create(dir []byte, name string, mode int) []byte {
	c.t.Helper()
	d := c.ok(8, pack(dir, name, 1, sattr(mode)))
	return made(d)
}

func (c *client) mkdir(dir []byte, name string, mode int) []byte {
	c.t.Helper()
	return made(c.ok(9, pack(dir, name, sattr(mode))))
}

func made(d *rpc.Decoder) []byte {
	d.Bool()
	return d.Opaque(64)
}

func (c *client) write(fh []byte, off uint64, data string) {
	c.t.Helper()
	d := c.ok(7, pack(fh, off, len(data), 0, data))
	wcc(d)
	if n := d.Uint32(); n != uint32(len(data)) {
		c.t.Fatalf("wrote %d of %d", n, len(data))
	}
	if how := d.Uint32(); how != 2 {
		c.t.Fatalf("committed %d, want FILE_SYNC", how)
	}
}

func (c *client) read(fh []byte, off uint64, count int) (string, bool) {
	c.t.Helper()
	d := c.ok(6, pack(fh, off, count))
	postOp(d)
	d.Uint32()
	eof := d.Bool()
	return string(d.Opaque(1 << 21)), eof
}
