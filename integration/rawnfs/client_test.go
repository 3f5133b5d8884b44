package rawnfs

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// answer serves one call on a port of its own: it reads something, says reply,
// and then closes the connection unless it is to hang.
func answer(t *testing.T, reply string, hang bool) *Client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended); l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return // the test has ended before it dialled
		}
		defer conn.Close()
		if _, err := conn.Read(make([]byte, 4096)); err != nil {
			return // the client's error says so
		}
		if _, err = io.WriteString(conn, reply); err == nil && hang {
			<-ended
		}
	}()
	patience := 3 * time.Minute
	if hang && reply == "" {
		patience = 200 * time.Millisecond // nothing will come
	}
	c, err := Dial(l.Addr().String(), patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.xid = 0 // the replies are to call 1
	return c
}

// TestReplies tells apart what may become of a call.
func TestReplies(t *testing.T) {
	const accepted = "\x00\x00\x00\x01" + "\x00\x00\x00\x01" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00" + "\x00\x00\x00\x00"
	mark := func(body string) string { return "\x80\x00\x00" + string(rune(len(body))) + body }
	for _, c := range []struct {
		name, reply string
		hang        bool
		want        func(error) bool
	}{
		{"closed", "", false, func(err error) bool { return errors.Is(err, ErrLost) }},
		{"closed within the reply", mark(accepted)[:20], false, func(err error) bool { return errors.Is(err, ErrLost) }},
		{"silence", "", true, func(err error) bool { return !errors.Is(err, ErrLost) && errors.Is(err, os.ErrDeadlineExceeded) }},
		{"status", mark(accepted + "\x00\x00\x00\x46"), true, func(err error) bool { return err == Stale }},
		{"too short", mark(accepted + "\x00\x00\x00\x00"), true, func(err error) bool { return err == errMalformed }},
		{"no status", mark(accepted), true, func(err error) bool { return err != nil && strings.Contains(err.Error(), "not a reply") }},
		{"of another call", mark("\x00\x00\x00\x09" + accepted[4:] + "\x00\x00\x00\x00"), true,
			func(err error) bool { return err != nil && strings.Contains(err.Error(), "not a reply") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := answer(t, c.reply, c.hang).Getattr("handle"); !c.want(err) {
				t.Errorf("Getattr: %v", err)
			}
		})
	}
}
