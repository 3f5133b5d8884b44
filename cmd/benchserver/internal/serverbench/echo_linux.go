package serverbench

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// An echo's connection begins with the number of bytes of the replies that it is to give, and these.

// aloneBytes is the length from which a reply leaves from where it is: copying it beside others gains nothing.
const aloneBytes = 64 << 10

// Echo answers messages of a protocol with the replies that a connection begins with, each with the number of its call. Batched,
// replies to all that was read leave in one write. It serves until the listener fails.
func Echo(l net.Listener, protocol string, batched bool) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			// A connection ends when its client ends it; what else may be wrong the client sees.
			if err := echo(c, wireOf(protocol), batched); err != io.EOF {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
	}
}

func echo(c net.Conn, w wire, batched bool) error {
	e := echoer{conn: c, wire: w, seal: make([]byte, w.sealBytes())}
	if err := e.learn(batched); err != nil {
		return err
	}
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

// echoer cuts a stream into messages.
type echoer struct {
	conn    net.Conn
	wire    wire
	replies [256][]byte // by wire.replyTo
	batched bool
	out     []byte

	seal    []byte // the message's
	sealLen int
	left    int // of the message behind it
}

// learn reads the replies.
func (e *echoer) learn(batched bool) error {
	var head [4]byte
	if _, err := io.ReadFull(e.conn, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > 2*recordMax {
		return errTooLong
	}
	all := make([]byte, n)
	if _, err := io.ReadFull(e.conn, all); err != nil {
		return err
	}
	e.batched = batched
	for len(all) > 0 {
		if len(all) < e.wire.sealBytes() {
			return errOdd
		}
		length := e.wire.sealBytes() + e.wire.follow(all)
		if length <= markBytes || length > len(all) {
			return errOdd
		}
		e.replies[e.wire.replyKind(all[markBytes:])] = all[:length]
		e.batched = e.batched && length < aloneBytes
		all = all[length:]
	}
	return nil
}

func (e *echoer) feed(b []byte) error {
	for len(b) > 0 {
		if e.sealLen < len(e.seal) {
			n := copy(e.seal[e.sealLen:], b)
			e.sealLen += n
			b = b[n:]
			if e.sealLen < len(e.seal) {
				return nil
			}
			e.left = e.wire.follow(e.seal)
		}
		n := min(len(b), e.left)
		e.left -= n
		b = b[n:]
		if e.left > 0 {
			return nil
		}
		e.sealLen = 0
		if err := e.answer(); err != nil {
			return err
		}
	}
	return nil
}

func (e *echoer) answer() error {
	reply := e.replies[e.wire.replyTo(e.seal)]
	if reply == nil {
		return errOdd
	}
	e.wire.stamp(reply, e.seal)
	if e.batched {
		e.out = append(e.out, reply...)
		return nil
	}
	_, err := e.conn.Write(reply)
	return err
}

// sendAll sends bytes on a connection.
func sendAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("send: %w", err)
		}
		b = b[max(n, 0):]
	}
	return nil
}

// templatesOf makes what an echo is told: a reply of each kind, as long as those that were measured, and with their head.
func templatesOf(w wire, s *sample) []byte {
	var all []byte
	for _, k := range s.kept {
		if k != nil {
			all = append(all, w.template(int(k.bytes/k.replies), k.head)...)
		}
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(all))), all...)
}
