package nlm

import (
	"bytes"
	"testing"
	"time"

	"pmemfs/server/nsm"
	"pmemfs/server/rpc"
)

// want is what a client asks for.
type want struct {
	svid          uint32
	exclusive     bool
	start, length uint64
	block         bool
	reclaim       bool
	msg           bool
}

// cookie is different for each call.
var cookies = make(chan uint32, 1)

func init() { cookies <- 1 }

func newCookie() []byte {
	n := <-cookies
	cookies <- n + 1
	return []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

// args are the arguments of a procedure.
func (c *client) args(proc uint32, w want) []byte {
	e := rpc.NewEncoder(nil)
	e.Opaque(newCookie())
	if proc == procLock || proc == procNMLock || proc == procCancel {
		e.Bool(w.block)
	}
	if proc != procUnlock {
		e.Bool(w.exclusive)
	}
	l := alock{caller: []byte(c.name), fh: c.fh, oh: []byte("owner of " + c.name), svid: w.svid, start: w.start, length: w.length}
	l.encode(e, c.vers)
	if proc == procLock || proc == procNMLock {
		e.Bool(w.reclaim)
		e.Uint32(c.state)
	}
	return e.Bytes()
}

// ask makes a call, in the asynchronous form if it is to be, and returns status and what follows.
func (c *client) ask(proc uint32, w want) (status, *rpc.Decoder) {
	c.x.t.Helper()
	args := c.args(proc, w)
	cookie := rpc.NewDecoder(args).Opaque(4)
	if w.msg {
		if results, err := c.send(c.vers, proc+async, args); err != nil || len(results) != 0 {
			c.x.t.Fatalf("procedure %d: %d bytes, %v", proc+async, len(results), err)
		}
		for {
			h := c.hears()
			if h.proc != proc+2*async {
				continue
			}
			if !bytes.Equal(h.args.cookie, cookie) || h.vers != c.vers {
				c.x.t.Fatalf("result %+v", h)
			}
			return h.args.stat, nil
		}
	}
	results, err := c.send(c.vers, proc, args)
	if err != nil {
		c.x.t.Fatalf("procedure %d: %v", proc, err)
	}
	d := rpc.NewDecoder(results)
	if got := d.Opaque(objectMax); !bytes.Equal(got, cookie) {
		c.x.t.Fatalf("procedure %d: cookie %x, not %x", proc, got, cookie)
	}
	return status(d.Uint32()), d
}

// hears waits for a call to the client.
func (c *client) hears() heard {
	c.x.t.Helper()
	select {
	case h := <-c.told:
		return h
	case <-time.After(patience):
		c.x.t.Fatal("the client was not called")
	}
	return heard{}
}

// quiet fails if the client is called.
func (c *client) quiet(t *testing.T) {
	t.Helper()
	select {
	case h := <-c.told:
		t.Errorf("the client was called: %+v", h)
	case <-time.After(100 * time.Millisecond):
	}
}

// gets checks the status of a call.
func (c *client) gets(st status, proc uint32, w want) {
	c.x.t.Helper()
	if got, _ := c.ask(proc, w); got != st {
		c.x.t.Errorf("%s, version %d, procedure %d, %+v: status %d, not %d", c.name, c.vers, proc, w, got, st)
	}
}

// share makes a call about a reservation.
func (c *client) share(st status, proc uint32, oh string, mode, access uint32, reclaim bool) {
	c.x.t.Helper()
	e := rpc.NewEncoder(nil)
	e.Opaque(newCookie())
	for _, b := range [][]byte{[]byte(c.name), c.fh, []byte(oh)} {
		e.Opaque(b)
	}
	e.Uint32(mode)
	e.Uint32(access)
	e.Bool(reclaim)
	results, err := c.send(c.vers, proc, e.Bytes())
	if err != nil {
		c.x.t.Fatal(err)
	}
	d := rpc.NewDecoder(results)
	d.Opaque(objectMax)
	got := status(d.Uint32())
	if d.Uint32(); got != st || !d.Done() {
		c.x.t.Errorf("share procedure %d of %s: status %d, not %d", proc, oh, got, st)
	}
}

// notify says from an address of the machine that a host has been restarted.
func (c *client) notify(name string, state uint32) {
	c.x.t.Helper()
	e := rpc.NewEncoder(nil)
	e.Opaque([]byte(name))
	e.Uint32(state)
	if _, err := c.call(&rpc.OutCall{Prog: nsm.Number, Vers: 1, Proc: 6, Args: e.Bytes()}); err != nil {
		c.x.t.Fatal(err)
	}
}

// eventually waits until f holds.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("not in time: %s", what)
}
