package serverbench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// headBytes is how much of a reply is kept in any case: enough for the head and attributes of any reply.
	headBytes = 256
	// wholeEvery is how often all data of a reply is compared.
	wholeEvery = 64
)

// conn is one connection and the calls that are outstanding on it. It belongs to one worker.
type conn struct {
	fd    int
	row   *row
	wire  wire
	size  int // bytes of data in a call or reply
	slots []slot
	first uint32 // xid of the first call
	sent  uint32 // calls sent
	limit uint32 // calls to be sent; 0 for no limit
	busy  int    // calls outstanding
	check bool   // that replies have what they should; an echo's have not

	payload []byte   // of calls that write
	salt    uint64   // of the content that is to be read
	out     []byte   // calls that are to be sent
	iov     [][]byte // the same with payload

	// The reply that is arriving.
	mark    [markBytes]byte
	markLen int
	left    int // of the fragment
	last    bool
	head    []byte
	length  int // of the record so far
	marks   int // bytes of marks

	replies, bytes int64
	kept           [256]*kept // by wire.replyKind
}

// connect opens a connection with blocking calls that give up after a time.
func connect(addr string) (int, error) {
	tcp, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return -1, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	sa := &unix.SockaddrInet4{Port: tcp.Port}
	copy(sa.Addr[:], tcp.IP.To4())
	limit := unix.NsecToTimeval(patience.Nanoseconds())
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit),
		retried(func() error { return unix.Connect(fd, sa) }))
	if err != nil {
		return -1, errors.Join(fmt.Errorf("connect to %s: %w", addr, err), unix.Close(fd))
	}
	return fd, nil
}

// retried repeats a call that a signal interrupted, such as one of Go's scheduler.
func retried(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

func newConn(fd int, r *row, slots []slot) *conn {
	return &conn{fd: fd, row: r, wire: r.wire, size: r.bytes, slots: slots, first: r.wire.first(), head: make([]byte, 0, headBytes), salt: readSalt}
}

// start makes a call ready on every slot.
func (c *conn) start() {
	for i := range c.slots {
		c.queue(i)
	}
}

// queue makes slot i's next call ready to be sent, unless the limit is reached.
func (c *conn) queue(i int) {
	if c.limit > 0 && c.sent == c.limit {
		return
	}
	s := &c.slots[i]
	record := s.calls[s.turn]
	c.wire.number(c, i, record)
	s.made++
	switch c.row.patch {
	case patchName:
		putDigits(record[s.at:], c.sent)
	case patchOffset:
		c.wire.putOffset(record[s.at:], s.offset)
	}
	s.busy = true
	c.busy++
	c.sent++
	if c.payload == nil {
		c.out = append(c.out, record...)
	} else {
		c.iov = append(c.iov, record, c.payload)
	}
}

// flush sends all calls that are ready.
func (c *conn) flush() error {
	for len(c.out) > 0 {
		n, err := unix.Write(c.fd, c.out)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("send: %w", err)
		}
		c.out = c.out[:copy(c.out, c.out[max(n, 0):])]
	}
	for rest := c.iov; len(rest) > 0; {
		n, err := unix.Writev(c.fd, rest[:min(len(rest), 512)])
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("send: %w", err)
		}
		for n = max(n, 0); len(rest) > 0 && n >= len(rest[0]); rest = rest[1:] {
			n -= len(rest[0])
		}
		if n > 0 {
			rest[0] = rest[0][n:]
		}
	}
	c.iov = c.iov[:0]
	return nil
}

// receive reads once and takes in what has come. With again a new call follows each reply.
func (c *conn) receive(buf []byte, again bool) error {
	n, err := unix.Read(c.fd, buf)
	switch {
	case err == unix.EINTR:
		return nil
	case err != nil:
		return fmt.Errorf("receive: %w", err)
	case n == 0:
		return fmt.Errorf("receive: %w: the server closed the connection", io.ErrUnexpectedEOF)
	}
	return c.feed(buf[:n], again)
}

// feed takes in bytes of the stream, which may end anywhere.
func (c *conn) feed(b []byte, again bool) error {
	for len(b) > 0 || (c.last && c.left == 0) {
		if c.left == 0 && !c.last {
			n := copy(c.mark[c.markLen:], b)
			c.markLen += n
			b = b[n:]
			if c.markLen < markBytes {
				return nil
			}
			c.left, c.last = c.wire.frame(c.mark)
			c.markLen = 0
			c.marks += markBytes
		}
		n := min(len(b), c.left)
		if err := c.piece(b[:n]); err != nil {
			return err
		}
		b = b[n:]
		c.left -= n
		if c.left == 0 && c.last {
			if err := c.reply(again); err != nil {
				return err
			}
		}
	}
	return nil
}

// piece takes in bytes of one record.
func (c *conn) piece(p []byte) error {
	at := c.length
	c.length += len(p)
	if c.length > recordMax {
		return errTooLong
	}
	if room := headBytes - len(c.head); room > 0 {
		c.head = append(c.head, p[:min(room, len(p))]...)
	}
	if c.check && c.row.data == reading {
		return c.compare(p, at)
	}
	return nil
}

// compare looks at the data in a part of a reply with data that begins at an offset in the record: at its last word, and in
// some replies at all words.
func (c *conn) compare(p []byte, at int) error {
	start := c.wire.dataAt(c.head)
	if start == 0 {
		return nil // the head is still arriving, or an error
	}
	s := c.slotOf(c.wire.numberOf(c.head))
	if s == nil {
		return errStranger
	}
	from := 0 // of p: the first byte that begins a word of data
	if at < start {
		from = start - at
	} else {
		from = -(at - start) & 7
	}
	end := from + (len(p)-from)&^7
	if c.replies%wholeEvery != 0 {
		from = max(from, end-8)
	}
	for ; from+8 <= end; from += 8 {
		offset := s.offset + uint64(at+from-start)
		if got, want := binary.BigEndian.Uint64(p[from:]), word(offset, c.salt); got != want {
			return fmt.Errorf("%s at offset %d brings %#x, want %#x", c.row.name, offset, got, want)
		}
	}
	return nil
}

// slotOf finds the slot of a reply, nil if it has none outstanding.
func (c *conn) slotOf(xid uint32) *slot {
	s := &c.slots[(xid-c.first)%uint32(len(c.slots))]
	if !s.busy || s.xid != xid {
		return nil
	}
	return s
}

// reply verifies a whole reply and follows it by the slot's next call.
func (c *conn) reply(again bool) error {
	length := c.length
	c.length, c.last = 0, false
	head := c.head
	c.head = c.head[:0]
	if len(head) < c.wire.headMin() {
		return errOdd
	}
	number := c.wire.numberOf(head)
	s := c.slotOf(number)
	if s == nil {
		return errStranger
	}
	if err := c.wire.accepted(c.row, s, head); err != nil {
		return err
	}
	if c.check {
		if err := c.wire.check(c, s, head, length); err != nil {
			return err
		}
	}
	c.keep(head, length)
	c.next(s)
	// What takes several calls is brought to its end, so that the next one finds what it expects.
	if again || (c.row.cycle && s.turn != 0) {
		c.queue(int((number - c.first) % uint32(len(c.slots))))
	}
	return nil
}

// keep counts a reply.
func (c *conn) keep(head []byte, length int) {
	length += c.marks
	c.marks = 0
	c.replies++
	c.bytes += int64(length)
	k := c.wire.replyKind(head)
	if c.kept[k] == nil {
		c.kept[k] = &kept{head: append([]byte(nil), head...)}
	}
	c.kept[k].replies++
	c.kept[k].bytes += int64(length)
}

// next moves a slot on after its reply.
func (c *conn) next(s *slot) {
	s.busy = false
	c.busy--
	if s.turn++; s.turn == len(s.calls) {
		s.turn = 0
	}
	if c.row.patch == patchOffset {
		s.offset = after(s.offset, c.size)
	}
}

// seconds since a time, never 0.
func seconds(since time.Time) float64 { return max(time.Since(since).Seconds(), 1e-9) }
