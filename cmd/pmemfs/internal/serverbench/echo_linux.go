package serverbench

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// An echo's connection begins with a record that holds the reply to give to all further records.

// aloneBytes is the length from which a reply leaves from where it is: copying it beside others gains nothing.
const aloneBytes = 64 << 10

// Echo answers every record on a connection with the one that its first record holds, and the xid of the call. Batched,
// replies to all that was read leave in one write. It serves until the listener fails.
func Echo(l net.Listener, batched bool) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			// A connection ends when its client ends it; what else may be wrong the client sees.
			if err := echo(c, batched); err != nil && err != io.EOF {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
	}
}

func echo(c net.Conn, batched bool) error {
	var mark [markBytes]byte
	if _, err := io.ReadFull(c, mark[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(mark[:]) &^ lastMark
	if n > recordMax || n < markBytes {
		return errTooLong
	}
	template := make([]byte, markBytes+n)
	copy(template, mark[:])
	if _, err := io.ReadFull(c, template[markBytes:]); err != nil {
		return err
	}
	e := echoer{conn: c, template: template, batched: batched && len(template) < aloneBytes}
	buf := make([]byte, receiveBytes)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return err
		}
		if err := e.feed(buf[:n]); err != nil {
			return err
		}
		if len(e.out) > 0 {
			if _, err := c.Write(e.out); err != nil {
				return err
			}
			e.out = e.out[:0]
		}
	}
}

// echoer cuts a stream into records.
type echoer struct {
	conn     net.Conn
	template []byte
	batched  bool
	out      []byte

	head    [2 * markBytes]byte // mark and xid
	headLen int
	left    int // of the record behind them
}

func (e *echoer) feed(b []byte) error {
	for len(b) > 0 {
		if e.headLen < len(e.head) {
			n := copy(e.head[e.headLen:], b)
			e.headLen += n
			b = b[n:]
			if e.headLen < len(e.head) {
				return nil
			}
			e.left = int(binary.BigEndian.Uint32(e.head[:])&^lastMark) - markBytes
		}
		n := min(len(b), e.left)
		e.left -= n
		b = b[n:]
		if e.left > 0 {
			return nil
		}
		e.headLen = 0
		if err := e.answer(); err != nil {
			return err
		}
	}
	return nil
}

func (e *echoer) answer() error {
	copy(e.template[markBytes:], e.head[markBytes:])
	if e.batched {
		e.out = append(e.out, e.template...)
		return nil
	}
	_, err := e.conn.Write(e.template)
	return err
}

// instruct tells an echo what to answer.
func instruct(fd int, template []byte) error {
	for len(template) > 0 {
		n, err := unix.Write(fd, template)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("instruct the echo: %w", err)
		}
		template = template[max(n, 0):]
	}
	return nil
}

// templateOf makes the reply that an echo gives: as long as those that were measured, and with their head.
func templateOf(s sample) []byte {
	length := int(s.bytes/s.replies+3) &^ 3
	t := make([]byte, length)
	copy(t[markBytes:], s.head)
	binary.BigEndian.PutUint32(t, uint32(length-markBytes)|lastMark)
	return t
}
