package traffic

import (
	"net/netip"
	"testing"
)

// do counts calls of a client, on a connection of their own.
func do(table *Table, a netip.Addr, calls int) {
	c := table.Join(a, "rpc")
	for range calls {
		c.One(Event{Procedure: NFS3.Procedure(1)}, table.Now(), false)
	}
	c.Leave()
}

// series is what each client has done, by name.
func series(table *Table, most int) map[string]uint64 {
	m := make(map[string]uint64)
	for _, c := range table.Series(most) {
		m[c.Client] = c.Calls
	}
	return m
}

// TestSeriesNeverGoBack names clients, and gives the names to busier ones.
func TestSeriesNeverGoBack(t *testing.T) {
	table := New()
	do(table, addr(1), 10)
	do(table, addr(2), 20)
	do(table, addr(3), 5)
	got := series(table, 2)
	if got["10.0.0.2"] != 20 || got["10.0.0.1"] != 10 || got[OtherName] != 5 || len(got) != 4 {
		t.Fatalf("at first %v", got)
	}
	do(table, addr(3), 10) // busier, and not much
	if got = series(table, 2); got[OtherName] != 15 {
		t.Fatalf("then %v", got)
	}
	do(table, addr(3), 100)
	got = series(table, 2)
	if got["10.0.0.3"] != 100 || got["10.0.0.2"] != 20 || got[OtherName] != 25 || len(got) != 4 {
		t.Fatalf("after a busy one %v", got)
	}
	do(table, addr(1), 1000)
	got = series(table, 2)
	if got["10.0.0.1"] != 1000 || got["10.0.0.3"] != 100 || got[OtherName] != 45 {
		t.Fatalf("at last %v", got)
	}
}

// TestStrangers has more clients than are remembered; the busiest is.
func TestStrangers(t *testing.T) {
	table := New()
	do(table, addr(0), 3)
	const strangers = 2 * (clientsKept + clientsSlack)
	for i := range strangers {
		do(table, addr(1+i), 1)
	}
	if n := len(table.clients); n > clientsKept+clientsSlack {
		t.Errorf("%d clients are remembered", n)
	}
	list, others := table.Clients(10)
	if list[0].Client != "10.0.0.0" || list[0].Calls != 3 || others > clientsKept+clientsSlack {
		t.Errorf("the busiest is %+v, and %d others", list[0], others)
	}
	if last := list[len(list)-1]; last.Client != OtherName || last.Calls != strangers-9 {
		t.Errorf("others have done %+v", last)
	}
	if got := series(table, 10); len(got) != 12 || got["10.0.0.0"] != 3 || got["udp"] != 0 {
		t.Errorf("series are %v", got)
	}
}
