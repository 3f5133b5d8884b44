package rpc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"pmemfs/pmemfs/testpart"
)

// FuzzRecords cuts a stream into records in two ways, one of them as a connection does, in reads of any size: both find
// the same.
func FuzzRecords(f *testing.F) {
	testpart.NotRace(f)
	mark := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	f.Add([]byte{}, byte(1))
	f.Add(append(mark(1<<31|3), 1, 2, 3), byte(2))
	f.Add(append(append(mark(2), 1, 2), append(mark(1<<31|1), 3)...), byte(0))
	f.Add(bytes.Repeat(mark(0), 300), byte(7))
	f.Add(append(mark(1<<31|5000), make([]byte, 6000)...), byte(255))
	f.Fuzz(func(t *testing.T, stream []byte, chunk byte) {
		const limit = 5000
		want := NewRecordReader(bytes.NewReader(stream), limit, nil)
		in := inbuf{limit: limit}
		in.resume(getBuffer(smallBytes))
		rest := stream
		next := func() ([]byte, error) {
			for {
				record, err := in.next()
				if record != nil || err != nil {
					return record, err
				}
				if chunk%3 == 0 {
					putBuffer(in.rest(getBuffer(asideBytes))) // as before a wait
					putBuffer(in.resume(getBuffer(smallBytes)))
				}
				n := copy(in.free(false), rest[:min(len(rest), int(chunk)+1)])
				if n == 0 {
					if in.partial() {
						return nil, io.ErrUnexpectedEOF
					}
					return nil, io.EOF
				}
				in.w += n
				rest = rest[n:]
			}
		}
		for {
			a, errA := want.Next()
			b, errB := next()
			if errA != nil || errB != nil {
				if !errors.Is(errB, errA) {
					t.Fatalf("ends with %v and %v", errA, errB)
				}
				in.drop()
				return
			}
			if !bytes.Equal(a[markBytes:], b) {
				t.Fatalf("records % x and % x", a[markBytes:], b)
			}
		}
	})
}

// FuzzReply gives the server any record: what comes back is one record with a reply to it, in the form of RFC 5531 section 9.
func FuzzReply(f *testing.F) {
	testpart.NotRace(f)
	s := NewServer(Config{Programs: []Program{{Number: 7, Low: 2, High: 3, Serve: func(r *Request, e *Encoder) Result {
		if r.Proc == 1 {
			return GarbageArgs
		}
		if r.Proc == 2 {
			panic("as asked")
		}
		e.Raw(r.Args)
		return Success
	}}}})
	for _, words := range [][]uint32{{1, 0, 2, 7, 3, 0, 0, 0, 0, 0, 5}, {1, 0, 2, 7, 9, 0, 0, 0, 0, 0}, {1, 0, 2, 7, 3, 2, 0, 0, 0, 0},
		{1, 0, 2, 7, 3, 1, 1, 20, 0, 0, 5, 5, 0, 0, 0}, {1, 0, 3, 7, 3, 1, 0, 0, 0, 0}, {1, 0, 2, 7, 3, 1, 6, 0, 0, 0}} {
		e := NewEncoder(nil)
		for _, w := range words {
			e.Uint32(w)
		}
		f.Add(e.Bytes())
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		call, err := ParseCall(record)
		if err != nil {
			return
		}
		r, e := &Request{Call: call, Record: record}, NewEncoder(nil)
		e.Raw([]byte("a reply before"))
		result := s.reply(r, e)
		b := bytes.TrimPrefix(e.buf, []byte("a reply before"))
		d := NewDecoder(b)
		if m := d.Uint32(); m != lastMark|uint32(len(b)-markBytes) || d.Uint32() != call.XID || d.Uint32() != msgReply {
			t.Fatalf("result %d: % x", result, b)
		}
		if d.Uint32() == 1 { // MSG_DENIED
			if d.Uint32() == 0 {
				d.Uint32()
			}
			d.Uint32()
		} else if d.Uint32(); d.Uint32() == 0 { // an empty verifier
			switch AcceptStat(d.Uint32()) {
			case ProgMismatch:
				d.Uint64()
			case Success:
				return // what follows is the program's
			}
		}
		if !d.OK() || len(d.Rest()) != 0 {
			t.Fatalf("result %d: % x", result, b)
		}
	})
}

// FuzzXDR decodes any bytes as any sequence of items: no more is read than there is, and what failed stays failed.
func FuzzXDR(f *testing.F) {
	testpart.NotRace(f)
	f.Add([]byte("48bo0f"), []byte{0, 0, 0, 1, 0, 0, 0, 5, 'h', 'e', 'l', 'l', 'o', 0, 0, 0})
	f.Add([]byte("ooo"), []byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, items, b []byte) {
		d := NewDecoder(b)
		failed := false
		for _, item := range items {
			before := len(d.Rest())
			var got []byte
			switch item % 5 {
			case 0:
				d.Uint32()
			case 1:
				d.Uint64()
			case 2:
				d.Bool()
			case 3:
				got = d.Opaque(int(item))
			case 4:
				got = d.Fixed(int(item))
			}
			if after := len(d.Rest()); after > before || len(got) > before-after {
				t.Fatalf("%d bytes of %d, %d are left", len(got), before, after)
			}
			if failed && (d.OK() || got != nil) {
				t.Fatal("went on after a failure")
			}
			failed = !d.OK()
		}
	})
}

// FuzzParseReply: any bytes are results, a refusal, or no reply.
func FuzzParseReply(f *testing.F) {
	testpart.NotRace(f)
	for _, ws := range [][]uint32{{1, 1, 0, 0, 0, 0, 7}, {1, 1, 0, 0, 0, 2, 3, 4}, {1, 1, 1, 0, 2, 2}, {1, 1, 1, 1, 5}, {1, 1, 0, 6, 4, 9, 5}} {
		e := NewEncoder(nil)
		for _, w := range ws {
			e.Uint32(w)
		}
		f.Add(e.Bytes())
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		results, err := parseReply(record, 1)
		switch {
		case err == nil:
			if !bytes.HasSuffix(record, results) {
				t.Fatalf("results % x", results)
			}
		case !errors.Is(err, ErrNotReply) && !errors.Is(err, ErrRefused) || err.Error() == "":
			t.Fatal(err)
		}
	})
}

// TestExcess sends replies that are longer than their calls until a client, and until all clients together have had enough.
func TestExcess(t *testing.T) {
	const more = 1 << 10
	now := time.Unix(1, 0)
	host := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	var x excess
	sent := func(client netip.Addr) (n int) {
		for n < 2*allBurst/more && x.take(client, more, now) {
			n++
		}
		return n
	}
	if n := sent(host(0)); n != excessBurst/more {
		t.Errorf("%d KiB to one client", n)
	}
	all := excessBurst / more
	for i := range 10 {
		all += sent(host(1 + i))
	}
	if all != allBurst/more {
		t.Errorf("%d KiB to all clients", all)
	}
	now = now.Add(time.Second)
	if n := sent(host(0)); n != excessRate/more {
		t.Errorf("%d KiB after a second", n)
	}
	for i := range 2 * excessClients {
		x.take(host(i), 1, now)
	}
	if len(x.clients) != excessClients {
		t.Errorf("%d clients are remembered", len(x.clients))
	}
	if now = now.Add(time.Minute); !x.take(host(3*excessClients), 1, now) {
		t.Error("the old are not forgotten")
	}
}
