//go:build linux

package serverbench

import (
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"time"
)

// replyTo is a whole record: an accepted reply with a status and what follows it, in fragments of at most size bytes.
func replyTo(xid, status uint32, body []byte, size int) []byte {
	var record []byte
	for _, v := range []uint32{xid, 1, 0, 0, 0, 0, status} {
		record = binary.BigEndian.AppendUint32(record, v)
	}
	record = append(record, body...)
	var stream []byte
	for len(record) > 0 {
		n := min(size, len(record))
		mark := uint32(n)
		if n == len(record) {
			mark |= lastMark
		}
		stream = append(binary.BigEndian.AppendUint32(stream, mark), record[:n]...)
		record = record[n:]
	}
	return stream
}

// readReply is what follows the status in a reply to READ with data that belongs at an offset.
func readReply(offset uint64, n int) []byte {
	e := make([]byte, 0, n+16)
	for _, v := range []int{0, n, 0, n} { // no attributes, count, no end, length
		e = binary.BigEndian.AppendUint32(e, uint32(v))
	}
	return append(e, content(n, offset, readSalt)...)
}

// readConn is a connection with two READs outstanding, nothing behind it.
func readConn() *conn {
	r := rowOf(ProtocolNFS, "READ-4K")
	s := &site{data: []byte("handle")}
	c := newConn(-1, r, []slot{r.slot(s, 0, 0, r.bytes), r.slot(s, 0, 1, r.bytes)})
	c.check = true
	c.start()
	return c
}

// TestFeed takes replies apart however the stream and the records are cut.
func TestFeed(t *testing.T) {
	for _, fragment := range []int{1, 7, 28, 1000, 1 << 20} {
		for _, chunk := range []int{1, 3, 100, 4096, 1 << 20} {
			c := readConn()
			// The second call's reply comes first.
			stream := append(replyTo(c.slots[1].xid, 0, readReply(4096, 4096), fragment),
				replyTo(c.slots[0].xid, 0, readReply(0, 4096), fragment)...)
			for len(stream) > 0 {
				n := min(chunk, len(stream))
				if err := c.feed(stream[:n], false); err != nil {
					t.Fatalf("fragments of %d in pieces of %d: %v", fragment, chunk, err)
				}
				stream = stream[n:]
			}
			if c.replies != 2 || c.busy != 0 || c.slots[0].offset != 4096 {
				t.Errorf("fragments of %d in pieces of %d: %d replies, %d busy, next offset %d", fragment, chunk, c.replies, c.busy, c.slots[0].offset)
			}
		}
	}
}

// TestFeedRefuses gives replies that a server must not give.
func TestFeedRefuses(t *testing.T) {
	for _, k := range []struct {
		name, want string
		reply      func(c *conn) []byte
	}{
		{"another xid", "nothing that is outstanding", func(c *conn) []byte { return replyTo(c.slots[1].xid+1, 0, readReply(0, 4096), 9999) }},
		{"a status", "status 70", func(c *conn) []byte { return replyTo(c.slots[0].xid, 70, nil, 9999) }},
		{"fewer bytes", "another number", func(c *conn) []byte { return replyTo(c.slots[0].xid, 0, readReply(0, 4088), 9999) }},
		{"other data", "brings", func(c *conn) []byte { return replyTo(c.slots[0].xid, 0, readReply(8, 4096), 9999) }},
		{"nothing", "without", func(c *conn) []byte { return []byte{0x80, 0, 0, 0} }},
		{"an endless record", "longer", func(c *conn) []byte {
			return replyTo(c.slots[0].xid, 0, make([]byte, recordMax+1), 2*recordMax)
		}},
	} {
		c := readConn()
		if err := c.feed(k.reply(c), false); err == nil || !strings.Contains(err.Error(), k.want) {
			t.Errorf("%s: %v, want an error with %q", k.name, err, k.want)
		}
	}
	c := readConn()
	reply := replyTo(c.slots[0].xid, 0, readReply(0, 4096), 9999)
	if err := c.feed(append(reply, reply...), false); err != errStranger {
		t.Errorf("a reply twice: %v", err)
	}
}

// nineAnswer is a whole message of 9P.
func nineAnswer(kind uint8, tag int, fields ...any) []byte {
	b := nineCall(kind, 0, fields...)
	binary.LittleEndian.PutUint16(b[markBytes+1:], uint16(tag))
	return b
}

// nineRead is Rread with data that belongs at an offset.
func nineRead(tag int, offset uint64, n int) []byte {
	b := append(nineAnswer(tRead+1, tag, uint32(n)), content(n, offset, readSalt)...)
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	return b
}

// nineConn is a connection with two Treads outstanding, nothing behind it.
func nineConn() *conn {
	r := rowOf(ProtocolNineP, "READ-4K")
	c := newConn(-1, r, []slot{r.slot(nil, 0, 0, r.bytes), r.slot(nil, 0, 1, r.bytes)})
	c.check = true
	c.start()
	return c
}

// TestFeedNineP takes answers of 9P apart however the stream is cut, and refuses wrong ones.
func TestFeedNineP(t *testing.T) {
	for _, chunk := range []int{1, 3, 100, 4096, 1 << 20} {
		c := nineConn()
		stream := append(nineRead(1, 4096, 4096), nineRead(0, 0, 4096)...)
		for len(stream) > 0 {
			n := min(chunk, len(stream))
			if err := c.feed(stream[:n], false); err != nil {
				t.Fatalf("in pieces of %d: %v", chunk, err)
			}
			stream = stream[n:]
		}
		if c.replies != 2 || c.busy != 0 || c.slots[0].offset != 4096 || c.bytes != 2*(4096+11) {
			t.Errorf("in pieces of %d: %d replies, %d busy, next offset %d, %d bytes", chunk, c.replies, c.busy, c.slots[0].offset, c.bytes)
		}
	}
	for _, k := range []struct {
		name, want string
		reply      []byte
	}{
		{"another tag", "nothing that is outstanding", nineRead(2, 0, 4096)},
		{"an error", "input/output", nineAnswer(rLerror, 0, uint32(5))},
		{"another kind", "answer 119 to request 116", nineAnswer(tWrite+1, 0, uint32(4096))},
		{"fewer bytes", "another number", nineRead(0, 0, 4088)},
		{"other data", "brings", nineRead(0, 8, 4096)},
		{"nothing", "answer 0", []byte{7, 0, 0, 0}},
		{"less than its length", "without", []byte{0, 0, 0, 0}},
		{"an endless message", "longer", append([]byte{255, 255, 255, 255}, make([]byte, recordMax+1)...)},
	} {
		c := nineConn()
		err := c.feed(k.reply, false)
		if err == nil && len(k.reply) == 4 {
			err = c.feed(make([]byte, 3), false)
		}
		if err == nil || !strings.Contains(err.Error(), k.want) {
			t.Errorf("%s: %v, want an error with %q", k.name, err, k.want)
		}
	}
}

// TestEchoNineP gives an echo two kinds of requests in turn.
func TestEchoNineP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- Echo(l, ProtocolNineP, true) }()
	var s sample
	for kind, length := range map[uint8]int64{tWalk + 1: 22, tClunk + 1: 7} {
		s.kept[kind] = &kept{head: []byte{kind, 0, 0}, replies: 1, bytes: length}
	}
	load := load{
		addr: l.Addr().String(), row: rowOf(ProtocolNineP, "WALK"), from: &site{files: []file{{name: "f", identity: make([]byte, 8)}}},
		conns: 3, depth: 5, duration: 10 * time.Millisecond, templates: templatesOf(nineWire{}, &s), pid: 0,
	}
	got, _, err := load.run()
	if err != nil || got.replies < 30 || got.replies%2 != 0 || got.bytes != got.replies/2*29 || got.ops != float64(got.replies)/2 {
		t.Errorf("%+v, %v", got, err)
	}
	l.Close()
	if err := <-ended; err == nil {
		t.Error("the echo ended without an error of its listener")
	}
}

// TestEcho loads both echoes, whose replies have to be as long as they were told.
func TestEcho(t *testing.T) {
	for _, batched := range []bool{false, true} {
		for _, length := range []int{32, 5000, 100_000} {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- Echo(l, ProtocolNFS, batched) }()
			var s sample
			s.kept[0] = &kept{head: replyTo(0, 0, nil, 100)[markBytes:], replies: 1, bytes: int64(length)}
			load := load{
				addr: l.Addr().String(), row: rowOf(ProtocolNFS, "GETATTR"), from: &site{files: []file{{handle: []byte("handle"), identity: make([]byte, 8)}}},
				conns: 3, depth: 5, duration: 10 * time.Millisecond, templates: templatesOf(rpcWire{}, &s), pid: 0,
			}
			got, _, err := load.run()
			if err != nil {
				t.Errorf("batched %t, %d bytes: %v", batched, length, err)
			} else if got.replies < 15 || got.bytes != got.replies*int64(length) {
				t.Errorf("batched %t: %d bytes in %d replies of %d", batched, got.bytes, got.replies, length)
			}
			l.Close()
			if err := <-ended; err == nil {
				t.Error("the echo ended without an error of its listener")
			}
		}
	}
}
