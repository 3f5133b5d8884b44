package admin

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	// connections is how many are answered at once.
	connections = 64
	// unreadMost is how many bytes of answers wait to be read, of all connections together.
	unreadMost = 16 << 20
)

// bounded is a listener that has at most so many connections open: a newcomer takes the place of another.
type bounded struct {
	net.Listener
	most int

	mu     sync.Mutex // comes last: nothing waits under it
	open   map[*conn]struct{}
	unread int // of all connections
}

// conn is a connection, and what it is doing.
type conn struct {
	net.Conn
	l     *bounded
	host  netip.Addr
	once  sync.Once
	stage stage     // of l.mu
	since time.Time // of l.mu: when the stage began
	// unread is, of l.mu, how many bytes of an answer wait to be read.
	unread int
}

// stage is how soon a connection gives way: the lowest first.
type stage int

const (
	waiting stage = iota // for a request, or the rest of its header
	answered
)

// bound makes a listener bounded.
func bound(l net.Listener, most int) *bounded {
	return &bounded{Listener: l, most: most, open: make(map[*conn]struct{})}
}

// Accept returns the next connection.
func (b *bounded) Accept() (net.Conn, error) {
	nc, err := b.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: nc, l: b, since: time.Now()}
	if at, err := netip.ParseAddrPort(nc.RemoteAddr().String()); err == nil {
		c.host = at.Addr().Unmap()
	}
	if victim := b.add(c); victim != nil {
		_ = victim.Close() // it is given up, whatever the system says
	}
	return c, nil
}

// add counts a connection in, and returns the one whose place it takes.
func (b *bounded) add(c *conn) (victim *conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.open) >= b.most {
		victim = b.victim()
		b.forget(victim)
	}
	b.open[c] = struct{}{}
	return victim
}

// victim is, of the host that has most, the connection that has waited longest; if all are being answered, the oldest of these.
func (b *bounded) victim() (worst *conn) {
	hosts := make(map[netip.Addr]int)
	for c := range b.open {
		hosts[c.host]++
	}
	for c := range b.open {
		if worst == nil || b.before(c, worst, hosts) {
			worst = c
		}
	}
	return worst
}

// forget counts a connection out. mu is held.
func (b *bounded) forget(c *conn) {
	b.unread -= c.unread
	c.unread = 0
	delete(b.open, c)
}

// hold notes how many bytes a connection has to be sent, and returns those that have to give way: of the host that has not read most, the oldest.
func (b *bounded) hold(c *conn, n int) (victims []*conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.open[c]; !ok {
		return nil // it has given way itself
	}
	b.unread += n - c.unread
	c.unread = n
	for b.unread > unreadMost && b.unread > c.unread {
		victim := b.slowest(c)
		b.forget(victim)
		victims = append(victims, victim)
	}
	return victims
}

// slowest is the connection, other than c, that gives way to c's answer. mu is held, and another one has bytes that are unread.
func (b *bounded) slowest(c *conn) (worst *conn) {
	hosts := make(map[netip.Addr]int)
	for o := range b.open {
		hosts[o.host] += o.unread
	}
	for o := range b.open {
		if o == c || o.unread == 0 {
			continue
		}
		if worst == nil || hosts[o.host] > hosts[worst.host] || hosts[o.host] == hosts[worst.host] && o.since.Before(worst.since) {
			worst = o
		}
	}
	return worst
}

// before reports whether c gives way before o does.
func (b *bounded) before(c, o *conn, hosts map[netip.Addr]int) bool {
	if n, m := hosts[c.host], hosts[o.host]; n != m {
		return n > m
	}
	if c.stage != o.stage {
		return c.stage < o.stage
	}
	return c.since.Before(o.since)
}

// Close closes the connection, once.
func (c *conn) Close() (err error) {
	err = net.ErrClosed
	c.once.Do(func() {
		c.l.mu.Lock()
		c.l.forget(c)
		c.l.mu.Unlock()
		err = c.Conn.Close()
	})
	return err
}

// at notes what the connection is doing now.
func (c *conn) at(s stage) {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	c.stage, c.since = s, time.Now()
}

// connKey is the key of a request's connection in its context.
type connKey struct{}

// withConn is http.Server.ConnContext.
func withConn(ctx context.Context, nc net.Conn) context.Context {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	return context.WithValue(ctx, connKey{}, nc)
}

// connOf is the connection of a request; nil if the server's listener has not made it.
func connOf(r *http.Request) *conn {
	c, _ := r.Context().Value(connKey{}).(*conn)
	return c
}

// answering marks the request's connection as one that is being answered, until the function that it returns is called.
func answering(r *http.Request) (done func()) {
	c := connOf(r)
	if c == nil {
		return func() {}
	}
	c.at(answered)
	return func() { c.at(waiting) }
}
