package traffic

import (
	"cmp"
	"net/netip"
	"slices"
)

// clientsKept is how many clients without a connection are remembered, and clientsSlack how many more there may be until some are forgotten.
const (
	clientsKept  = 1024
	clientsSlack = 256
)

// client is all connections from one address.
type client struct {
	ended Sums // of connections that have ended
	conns int  // that have not

	// The rest is Series's.
	named bool
	base  Sums // what has been told of it among the others
}

// Join begins to count a connection from an address (share.Key); kind is what is spoken on it. Leave ends that.
func (t *Table) Join(addr netip.Addr, kind string) *Conn {
	s := &t.shards[t.next.Add(1)%uint32(len(t.shards))]
	c := &Conn{table: t, shard: s, addr: addr, kind: kind}
	t.mu.Lock()
	defer t.mu.Unlock()
	cl := t.clients[addr]
	if cl == nil {
		cl = new(client)
		t.clients[addr] = cl
	}
	cl.conns++
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = struct{}{}
	return c
}

// UDP counts calls that came in datagrams, whoever sent them.
func (t *Table) UDP() *Conn { return t.udp }

// Leave ends the counting of a connection whose last call has been counted.
func (c *Conn) Leave() {
	t, s := c.table, c.shard
	t.mu.Lock()
	defer t.mu.Unlock()
	cl := t.clients[c.addr]
	cl.conns--
	s.mu.Lock()
	delete(s.conns, c)
	cl.ended.add(&c.sums)
	s.mu.Unlock()
	if len(t.clients) > clientsKept+clientsSlack {
		t.forget()
	}
}

// forget forgets clients without a connection, those with fewest calls first. mu is held.
func (t *Table) forget() {
	type one struct {
		addr  netip.Addr
		calls uint64
	}
	var idle []one
	for addr, cl := range t.clients {
		if cl.conns == 0 {
			idle = append(idle, one{addr, cl.ended.calls})
		}
	}
	slices.SortFunc(idle, func(a, b one) int { return cmp.Compare(a.calls, b.calls) })
	for _, o := range idle[:max(len(idle)-clientsKept, 0)] {
		t.gone.add(&t.clients[o.addr].ended)
		delete(t.clients, o.addr)
	}
}

// clientSums is a client as it is at one moment.
type clientSums struct {
	addr  netip.Addr
	conns int
	kinds map[string]int
	sums  Sums
	of    *client
}

// sumClients adds up what each client has done, busiest first, and what datagrams have. mu is held.
func (t *Table) sumClients() (list []clientSums, udp Sums) {
	at := make(map[netip.Addr]int, len(t.clients))
	for addr, cl := range t.clients {
		at[addr] = len(list)
		list = append(list, clientSums{addr: addr, conns: cl.conns, sums: cl.ended, of: cl})
	}
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for c := range s.conns {
			if c == t.udp {
				udp = c.sums
				continue
			}
			o := &list[at[c.addr]]
			o.sums.add(&c.sums)
			if o.kinds == nil {
				o.kinds = make(map[string]int)
			}
			o.kinds[c.kind]++
		}
		s.mu.Unlock()
	}
	slices.SortFunc(list, func(a, b clientSums) int {
		return cmp.Or(cmp.Compare(b.sums.calls, a.sums.calls), a.addr.Compare(b.addr))
	})
	return list, udp
}

// clientName is how a client is shown.
func clientName(addr netip.Addr) string {
	if !addr.IsValid() {
		return "unix"
	}
	return addr.String()
}

// sub is what has been counted since o.
func (s Sums) sub(o *Sums) Sums {
	s.calls -= o.calls
	s.errors -= o.errors
	s.in -= o.in
	s.out -= o.out
	s.took -= o.took
	return s
}

// Series are clients as counters that never go back: at most most of them by name, the busiest, and the rest in sum as OtherName. What has been told of a
// client with the rest stays there.
func (t *Table) Series(most int) []Client {
	t.mu.Lock()
	defer t.mu.Unlock()
	list, udp := t.sumClients()
	name(list, most)
	other := t.gone
	out := []Client{t.client("udp", &udp, 0)}
	for i := range list {
		c := &list[i]
		if !c.of.named {
			other.add(&c.sums)
			c.of.base = c.sums
			continue
		}
		other.add(&c.of.base)
		own := c.sums.sub(&c.of.base)
		out = append(out, t.client(clientName(c.addr), &own, c.conns))
	}
	return append(out, t.client(OtherName, &other, 0))
}

// name says which clients have a name of their own. One that is much busier than the least busy of those takes its place.
func name(list []clientSums, most int) {
	var named, rest []*clientSums
	for i := range list {
		if c := &list[i]; c.of.named {
			named = append(named, c)
		} else {
			rest = append(rest, c)
		}
	}
	for _, c := range rest { // busiest first
		if last := len(named) - 1; len(named) >= most {
			if last < 0 || c.sums.calls < 2*named[last].sums.calls {
				return
			}
			named[last].of.named = false
			named = named[:last]
		}
		c.of.named = true
		named = append(named, c)
		slices.SortStableFunc(named, func(a, b *clientSums) int { return cmp.Compare(b.sums.calls, a.sums.calls) })
	}
}
