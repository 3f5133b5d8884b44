package nfs3_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"

	"pmemfs/pmemfs/pmemfstest"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// listen serves the fixture on a socket until the test ends.
func (f *fixture) listen() (addr string) {
	f.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- rpc.NewServer(rpc.Config{Programs: []rpc.Program{f.srv.Program()}}).Serve(ctx, l) }()
	f.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			f.t.Error(err)
		}
	})
	return l.Addr().String()
}

// over sends a request over a connection of its own. ok is false when the connection ended instead.
func (f *fixture) over(addr string, r *rpc.Request) (st nfswire.Status, d *rpc.Decoder, ok bool) {
	f.t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		f.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		f.t.Fatal(err)
	}
	if _, err := conn.Write(wireCall(r)); err != nil {
		f.t.Fatal(err)
	}
	reply, err := rpc.NewRecordReader(conn, 2<<20, nil).Next()
	if err != nil {
		if err != io.EOF && err != io.ErrUnexpectedEOF {
			f.t.Logf("the connection ended: %v", err)
		}
		return 0, nil, false
	}
	if err := wellFormed(r.Proc, reply[28:]); err != nil {
		f.t.Fatal(err)
	}
	d = rpc.NewDecoder(reply[28:])
	return nfswire.Status(d.Uint32()), d, true
}

// TestReadBadMemory reads a large file of which one block's memory goes bad. The connection ends in the middle of the reply
// that meets it first; who asks again gets all that lies before the block, EIO from there, and what lies behind. Never
// anything else.
func TestReadBadMemory(t *testing.T) {
	f := newFixture(t)
	const size, bad = 1 << 20, 600 << 10
	h := benchFile(t, f, size)
	content := bytes.Repeat([]byte("content!"), size/8)
	if _, _, err := f.eng.Write(superuser, nil, h, content, 0); err != nil {
		t.Fatal(err)
	}
	addr := f.listen()
	read := func(off uint64, n int) (nfswire.Status, []byte, bool) {
		st, d, ok := f.over(addr, f.request(nfswire.ProcRead, args(f.fh(h), off, n)))
		if !ok || st != nfswire.OK {
			return st, nil, ok
		}
		d.Uint32()
		d.Fixed(nfswire.FattrBytes)
		d.Uint64()
		return st, d.Opaque(1 << 20), true
	}
	if _, got, _ := read(0, size); !bytes.Equal(got, content) {
		t.Fatalf("%d bytes of good memory", len(got))
	}
	heal := pmemfstest.Poison(t, f.eng, h, bad)
	lost := 0
	for range 5 {
		st, got, ok := read(0, size)
		switch {
		case !ok:
			lost++
		case st != nfswire.OK || len(got) != bad || !bytes.Equal(got, content[:bad]):
			t.Errorf("up to the bad block: status %d, %d bytes", st, len(got))
		}
	}
	if lost != 1 {
		t.Errorf("%d connections ended, want the first", lost)
	}
	if st, _, ok := read(bad, 64<<10); !ok || st != nfswire.ErrIO {
		t.Errorf("at the bad block: status %d", st)
	}
	if st, got, ok := read(bad+4096, 256<<10); !ok || st != nfswire.OK || !bytes.Equal(got, content[bad+4096:bad+4096+256<<10]) {
		t.Errorf("behind the bad block: status %d, %d bytes", st, len(got))
	}
	heal()
}

// TestReadDirect compares what comes over a socket, which for large reads is sent from the medium, with the file: whole, in
// parts, across holes and the end.
func TestReadDirect(t *testing.T) {
	f := newFixture(t)
	h := benchFile(t, f, 0)
	want := make([]byte, 3<<20)
	for _, at := range []int{5, 100_000, 1<<20 - 3, 1<<20 + 70_000, 2<<20 + 500_000} {
		piece := bytes.Repeat([]byte{byte(at), byte(at >> 8), 77}, 23_333)
		copy(want[at:], piece)
		if _, _, err := f.eng.Write(superuser, nil, h, piece, uint64(at)); err != nil {
			t.Fatal(err)
		}
	}
	want = want[:2<<20+500_000+3*23_333]
	addr := f.listen()
	for _, off := range []int{0, 1, 4096, 99_999, 1<<20 - 10, 2 << 20, len(want) - 40_000, len(want), len(want) + 1} {
		for _, n := range []int{32 << 10, 32<<10 + 1, 100_001, 1 << 20, 1 << 30} {
			st, d, ok := f.over(addr, f.request(nfswire.ProcRead, args(f.fh(h), uint64(off), n)))
			if !ok || st != nfswire.OK {
				t.Fatalf("%d bytes at %d: status %d", n, off, st)
			}
			d.Uint32()
			d.Fixed(nfswire.FattrBytes)
			d.Uint32()
			eof := d.Bool()
			end := min(off+min(n, 1<<20), len(want))
			if got := d.Opaque(1 << 20); !bytes.Equal(got, want[min(off, len(want)):end]) || eof != (end == len(want)) {
				t.Errorf("%d bytes at %d: %d bytes, eof %v", n, off, len(got), eof)
			}
		}
	}
}
