package control

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// deadlines is the connection of a reply, of which the last deadlines are known.
type deadlines struct {
	*httptest.ResponseRecorder
	read, write time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error  { d.read = t; return nil }
func (d *deadlines) SetWriteDeadline(t time.Time) error { d.write = t; return nil }

// TestInterrupt ends a stream before and after the last words about it.
func TestInterrupt(t *testing.T) {
	d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	p := &pipe{w: d, r: strings.NewReader("some"), control: http.NewResponseController(d)}
	p.interrupt()
	if _, err := p.Read(make([]byte, 4)); !errors.Is(err, errInterrupted) {
		t.Errorf("read: %v", err)
	}
	if _, err := p.Write([]byte("more")); !errors.Is(err, errInterrupted) {
		t.Errorf("write: %v", err)
	}
	if now := time.Now(); d.read.After(now) || d.write.After(now) {
		t.Errorf("who waits goes on until %v and %v", d.read, d.write)
	}
	p.lastWords()
	p.interrupt() // which comes late
	if !d.write.After(time.Now()) {
		t.Error("the client is not told how it ended")
	}
	if _, err := p.Write([]byte("the end")); err != nil {
		t.Errorf("the last words: %v", err)
	}
}
