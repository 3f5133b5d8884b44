package gonfs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"

	"pmemfs/server/rpc"
)

// TestFragments sends one call in every kind of pieces.
func TestFragments(t *testing.T) {
	c := newSite(t, nil).dial()
	root := c.root()
	for _, size := range []int{1, 3, 40, 1000} {
		xid, record := c.callRecord(2, 100003, 3, 1, pack(root))
		var stream []byte
		for rest := record; len(rest) > 0; {
			n := min(size, len(rest))
			mark := uint32(n)
			if n == len(rest) {
				mark |= 1 << 31
			}
			stream = append(binary.BigEndian.AppendUint32(stream, mark), rest[:n]...)
			rest = rest[n:]
		}
		_, err := c.conn.Write(stream)
		must(t, err)
		st, d := c.accepted(xid, c.recv())
		if st != rpc.Success || d.Uint32() != 0 {
			t.Errorf("in fragments of %d: accept_stat %d", size, st)
		}
	}
}

// TestRPCErrors: each kind of wrong call gets the protocol's own answer, and the connection goes on.
func TestRPCErrors(t *testing.T) {
	c := newSite(t, nil).dial()
	root := c.root()
	for _, k := range []struct {
		name             string
		prog, vers, proc uint32
		args             []byte
		want             rpc.AcceptStat
	}{
		{"unknown program", 100000, 2, 0, nil, rpc.ProgUnavail},
		{"NFS version 2", 100003, 2, 0, nil, rpc.ProgMismatch},
		{"NFS version 4", 100003, 4, 0, nil, rpc.ProgMismatch},
		{"MOUNT version 4", 100005, 4, 0, nil, rpc.ProgMismatch},
		{"unknown procedure", 100003, 3, 22, nil, rpc.ProcUnavail},
		{"unknown MOUNT procedure", 100005, 3, 6, nil, rpc.ProcUnavail},
		{"no arguments", 100003, 3, 1, nil, rpc.GarbageArgs},
		{"arguments to NULL", 100003, 3, 0, pack(1), rpc.GarbageArgs},
		{"too many arguments", 100003, 3, 1, pack(root, 0), rpc.GarbageArgs},
		{"a handle of 4 GiB", 100003, 3, 1, pack(-1), rpc.GarbageArgs},
		{"a handle of 65 bytes", 100003, 3, 1, pack(make([]byte, 65)), rpc.GarbageArgs},
		{"a name of 4 GiB", 100003, 3, 3, pack(root, -1), rpc.GarbageArgs},
		{"data of 4 GiB", 100003, 3, 7, pack(root, uint64(0), 4, 0, -1), rpc.GarbageArgs},
		{"a stability of 3", 100003, 3, 7, pack(root, uint64(0), 1, 3, "x"), rpc.GarbageArgs},
		{"a create mode of 3", 100003, 3, 8, pack(root, "x", 3), rpc.GarbageArgs},
		{"a time of kind 3", 100003, 3, 2, pack(root, 0, 0, 0, 0, 3, 0, 0), rpc.GarbageArgs},
		{"a path over the limit", 100005, 3, 1, pack(make([]byte, 1025)), rpc.GarbageArgs},
		{"NULL", 100003, 3, 0, nil, rpc.Success},
		{"MOUNT NULL", 100005, 3, 0, nil, rpc.Success},
	} {
		if st, _ := c.rpc(k.prog, k.vers, k.proc, k.args); st != k.want {
			t.Errorf("%s: accept_stat %d, want %d", k.name, st, k.want)
		}
	}
	xid, record := c.callRecord(3, 100003, 3, 0, nil)
	c.send(record)
	// A denied reply: RPC_MISMATCH, versions 2 to 2.
	if got, want := c.recv(), pack(xid, 1, 1, 0, 2, 2); !bytes.Equal(got, want) {
		t.Errorf("RPC version 3: %x, want %x", got, want)
	}
	bad := *c
	for name, k := range map[string]struct {
		cred []byte
		want uint32
	}{
		"RPCSEC_GSS":     {pack(6, ""), rpc.AuthTooWeak},
		"short AUTH_SYS": {pack(1, "abcd"), rpc.AuthBadCred},
		"17 groups":      {sysAuth(1, 1, make([]uint32, 17)...), rpc.AuthBadCred},
	} {
		bad.cred = k.cred
		xid, record := bad.callRecord(2, 100003, 3, 1, pack(root))
		bad.send(record)
		// A denied reply: AUTH_ERROR and the reason.
		if got, want := bad.recv(), pack(xid, 1, 1, 1, k.want); !bytes.Equal(got, want) {
			t.Errorf("%s: %x, want %x", name, got, want)
		}
	}
	c.getattr(root)
}

// TestOversize: a request over the limit ends its connection, takes no memory, and harms nobody else.
func TestOversize(t *testing.T) {
	s := newSite(t, nil)
	other := s.dial()
	root := other.root()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, mark := range []uint32{1<<31 | 2<<20, 1<<32 - 1, 1<<31 - 1} {
		c := s.dial()
		_, err := c.conn.Write(binary.BigEndian.AppendUint32(nil, mark))
		must(t, err)
		if _, err := c.tryRecv(); !gone(err) {
			t.Errorf("a record of %#x bytes: %v", mark, err)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
		t.Errorf("%d bytes allocated for nothing", grown)
	}
	other.getattr(root)
}

func gone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.ErrUnexpectedEOF)
}

// TestGarbage throws bytes at the server: random ones, and real calls with bytes changed. It must still be there.
func TestGarbage(t *testing.T) {
	s := newSite(t, nil)
	c := s.dial()
	root := c.root()
	seed := uint64(time.Now().UnixNano())
	t.Logf("replay with seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	_, template := c.callRecord(2, 100003, 3, 8, pack(root, "name", 1, sattr(0o644)))
	for range 300 {
		var record []byte
		if rnd.IntN(3) == 0 {
			record = make([]byte, rnd.IntN(200))
			for i := range record {
				record[i] = byte(rnd.Uint32())
			}
		} else {
			record = bytes.Clone(template)
			binary.BigEndian.PutUint32(record[20:], rnd.Uint32N(24)) // any procedure
			for range rnd.IntN(4) {
				record[rnd.IntN(len(record))] = byte(rnd.Uint32())
			}
		}
		g := s.dial()
		g.send(record)
		if err := g.conn.(*net.TCPConn).CloseWrite(); err != nil && !errors.Is(err, syscall.ENOTCONN) {
			t.Fatal(err)
		}
		if _, err := g.tryRecv(); err != nil && !gone(err) {
			t.Fatalf("record %x: %v", record, err)
		}
		must(t, g.conn.Close())
	}
	c.getattr(root)
}

// TestPipelined keeps many requests in flight on one connection; each gets its own answer.
func TestPipelined(t *testing.T) {
	s := newSite(t, nil)
	c := s.dial()
	root := c.root()
	c.write(c.create(root, "f", 0o644), 0, "x")
	fh := c.lookup(root, "f")
	const count = 500
	want := map[uint32]bool{}
	var stream []byte
	for i := range count {
		proc, args := uint32(1), pack(fh)
		switch i % 4 {
		case 1:
			proc, args = 3, pack(root, "f")
		case 2:
			proc, args = 6, pack(fh, uint64(0), 1<<20)
		case 3:
			proc, args = 4, pack(fh, 63)
		}
		xid, record := c.callRecord(2, 100003, 3, proc, args)
		want[xid] = true
		stream = append(binary.BigEndian.AppendUint32(stream, uint32(len(record))|1<<31), record...)
	}
	sent := make(chan error, 1)
	go func() {
		_, err := c.conn.Write(stream)
		sent <- err
	}()
	for range count {
		reply := c.recv()
		xid := binary.BigEndian.Uint32(reply)
		if !want[xid] {
			t.Fatalf("a second or unasked reply to %d", xid)
		}
		delete(want, xid)
		if st, d := c.accepted(xid, reply); st != rpc.Success || d.Uint32() != 0 {
			t.Fatalf("request %d failed", xid)
		}
	}
	must(t, <-sent)
}

// TestConnectionLimit: beyond its share a client's idle connections make room for its new ones.
func TestConnectionLimit(t *testing.T) {
	s := newSite(t, func(s *site) { s.limits = rpc.Limits{Connections: 4} })
	a, b := s.dial(), s.dial()
	a.root()
	b.root()
	deadline := time.Now().Add(patience)
	for {
		c := s.dial()
		_, record := c.callRecord(2, 100003, 3, 0, nil)
		c.send(record)
		if _, err := c.tryRecv(); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no idle connection made room")
		}
	}
	// Both have been idle since the same tick of the server's clock, so it may be either.
	ended := make(chan error, 2)
	for _, c := range []*client{a, b} {
		go func() {
			_, err := c.tryRecv()
			ended <- err
		}()
	}
	if err := <-ended; !gone(err) {
		t.Errorf("a connection that was idle: %v", err)
	}
}

// TestIdle: silence, and a request that does not go on, end the connection; a working one stays.
func TestIdle(t *testing.T) {
	s := newSite(t, func(s *site) { s.limits = rpc.Limits{Idle: 100 * time.Millisecond, Partial: 100 * time.Millisecond} })
	silent, slow := s.dial(), s.dial()
	_, err := slow.conn.Write([]byte{0x80, 0, 0, 44, 0, 0})
	must(t, err)
	for name, c := range map[string]*client{"silent": silent, "slow": slow} {
		if _, err := c.tryRecv(); !gone(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDrain: a request that has arrived when the server stops is answered.
func TestDrain(t *testing.T) {
	s := newSite(t, nil)
	c := s.dial()
	fh := c.create(c.root(), "f", 0o644)
	const count = 50
	for range count {
		_, record := c.callRecord(2, 100003, 3, 7, pack(fh, uint64(0), 4, 2, "data"))
		c.send(record)
	}
	c.recv() // the server is at it
	s.restart()
	answered := 1
	for {
		if _, err := c.tryRecv(); err != nil {
			if !gone(err) {
				t.Fatal(err)
			}
			break
		}
		answered++
	}
	t.Logf("%d of %d answered before the stop", answered, count)
	if got, _ := s.dial().read(fh, 0, 10); got != "data" {
		t.Errorf("the file reads %q", got)
	}
}
