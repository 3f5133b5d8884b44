package rpc

import (
	"cmp"
	"slices"
)

// Usage is what requests hold of a Budget at the moment.
type Usage struct {
	Parts   []PartUsage
	Holders []HolderUsage // that hold some of it, most first
	Waiting int64         // calls that are answered beside their connection's others
	Working int64         // connections that have a turn; none needs one while there is one client only
}

// PartUsage is one of the parts of a Budget, in bytes.
type PartUsage struct {
	Name        string
	Limit, Held int64
	Waiting     int // clients that wait for some
}

// HolderUsage is what one client holds, in bytes.
type HolderUsage struct {
	Client string // share.Key of its address; "unix" for none
	Bytes  int64
}

// Usage looks who holds what. The fields need not belong to the same instant. It takes time in proportion to the number of clients.
func (b *Budget) Usage() (u Usage) {
	open := b.connections - b.open.Free()
	u.Parts = append(u.Parts, PartUsage{Name: "connections", Limit: b.connections * connBytes, Held: open * connBytes})
	for _, p := range []struct {
		name string
		r    *ration
	}{{"beginnings", &b.begun}, {"work sets", &b.work}, {"waiting calls", &b.calls}, {"large slots", &b.large}} {
		p.r.mu.Lock()
		u.Parts = append(u.Parts, PartUsage{p.name, p.r.limit, p.r.limit - p.r.free, p.r.waiting})
		p.r.mu.Unlock()
	}
	u.Waiting, u.Working = b.seats.held(), b.turns.held()
	u.Holders = b.holders()
	return u
}

// held is how much of a ration is not free.
func (r *ration) held() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.limit - r.free
}

// holders are the clients that hold memory.
func (b *Budget) holders() (list []HolderUsage) {
	b.mu.Lock()
	clients := make([]*client, 0, len(b.clients))
	for _, cl := range b.clients {
		cl.users++ // so that it stays
		clients = append(clients, cl)
	}
	b.mu.Unlock()
	for _, cl := range clients {
		h := HolderUsage{Client: "unix", Bytes: b.open.Held(cl.addr) * connBytes}
		if cl.addr.IsValid() {
			h.Client = cl.addr.String()
		}
		h.Bytes += b.begun.heldBy(&cl.begun) + b.work.heldBy(&cl.work) + b.calls.heldBy(&cl.calls) + b.large.heldBy(&cl.large)
		if h.Bytes > 0 {
			list = append(list, h)
		}
		b.done(cl)
	}
	slices.SortFunc(list, func(x, y HolderUsage) int {
		return cmp.Or(cmp.Compare(y.Bytes, x.Bytes), cmp.Compare(x.Client, y.Client))
	})
	return list
}
