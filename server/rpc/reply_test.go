package rpc

import (
	"bytes"
	"testing"

	"pmemfs/pmemfs/testpart"
)

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
