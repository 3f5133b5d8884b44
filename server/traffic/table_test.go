package traffic

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"pmemfs/pmemfs/safego"
)

func addr(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
}

// get finds a row.
func get(t *testing.T, r *Report, procedure, export string) Row {
	t.Helper()
	for _, row := range r.Rows {
		if row.Procedure == procedure && row.Export == export {
			return row
		}
	}
	t.Fatalf("nothing is counted of %s on %q", procedure, export)
	return Row{}
}

// TestCounts counts from many goroutines, while others read.
func TestCounts(t *testing.T) {
	table := New()
	read, export := NFS3.Procedure(6), table.Export("image", "/a")
	const conns, calls = 8, 1000
	var wg safego.Group
	done := make(chan struct{})
	wg.Go("reader", func() {
		for {
			select {
			case <-done:
				return
			default:
				table.Report()
				table.Series(2)
				table.Clients(2)
			}
		}
	})
	var writers sync.WaitGroup
	for i := range conns {
		writers.Add(1)
		wg.Go("writer", func() {
			defer writers.Done()
			c := table.Join(addr(i/2), "rpc")
			defer c.Leave()
			var b Batch
			for n := range calls {
				b.Begin(table)
				ev := Event{Procedure: read, Export: export, In: 10, Out: 100}
				if n%10 == 0 {
					ev.Status = 5
				}
				if n%100 == 0 {
					c.One(ev, table.Now(), true)
					continue
				}
				if *b.Next() = ev; n%7 == 0 {
					c.Publish(&b)
				}
			}
			c.Publish(&b)
		})
	}
	writers.Wait()
	close(done)
	wg.Wait()
	r := table.Report()
	row := get(t, &r, "READ", "/a")
	const all = conns * calls
	if row.Calls != all || row.Errors != all/10 || row.BytesIn != 10*all || row.BytesOut != 100*all || r.Offloaded != all/100 || r.Calls != all {
		t.Errorf("%+v", row)
	}
	if len(row.Statuses) != 1 || row.Statuses[0] != (Reason{"NFS3ERR_IO", all / 10}) {
		t.Errorf("errors are %v", row.Statuses)
	}
	var inBuckets uint64
	for _, b := range row.Latency.Buckets {
		inBuckets += b.Calls
	}
	if inBuckets != all || row.Latency.P50 > row.Latency.P999 || row.Latency.P999 > row.Latency.Max {
		t.Errorf("latency is %+v", row.Latency)
	}
	list, others := table.Clients(3)
	if len(list) != 4 || others != 1 || list[0].Calls != 2*calls || list[3].Client != OtherName || list[3].Calls != 2*calls {
		t.Errorf("clients are %+v and %d others", list, others)
	}
	if n := table.Connections(); len(n) != 0 {
		t.Errorf("connections are %v", n)
	}
}

// TestFullBatch fills a batch, and goes on with its last call.
func TestFullBatch(t *testing.T) {
	table := New()
	c := table.Join(netip.Addr{}, "9p")
	var b Batch
	b.Begin(table)
	begun := b.Begun()
	for !b.Full() {
		*b.Next() = Event{Procedure: NineP.Procedure(58)}
	}
	c.Publish(&b)
	b.Resume(begun)
	*b.Next() = Event{Procedure: NineP.Procedure(55)}
	if b.Begin(table); b.Begun() != begun {
		t.Error("the batch has forgotten when it began")
	}
	c.Publish(&b)
	if r := table.Report(); r.Calls != batchMax+1 || get(t, &r, "Twalk", "").Calls != 1 {
		t.Errorf("%d calls", r.Calls)
	}
	if list, _ := table.Clients(10); len(list) != 1 || list[0].Client != "unix" || list[0].Protocols[0] != "9p" {
		t.Errorf("clients are %+v", list)
	}
}

// TestBounds has more exports, and more pairs of export and procedure, than are counted apart.
func TestBounds(t *testing.T) {
	table := New()
	c := table.Join(addr(1), "rpc")
	const exports = ExportsMax + 50
	procs := []Procedure{}
	for p := range procedures {
		procs = append(procs, Procedure(p))
	}
	for i := range exports {
		e := table.Export("image", fmt.Sprint("/", i))
		if again := table.Export("image", fmt.Sprint("/", i)); again != e {
			t.Fatalf("export %d is %d and then %d", i, e, again)
		}
		for _, p := range procs {
			c.One(Event{Procedure: p, Export: e}, table.Now(), false)
		}
	}
	r := table.Report()
	if most := cellsMax + len(procs); len(r.Rows) > most {
		t.Errorf("%d rows, which may be %d", len(r.Rows), most)
	}
	if r.Calls != uint64(exports*len(procs)) {
		t.Errorf("%d calls", r.Calls)
	}
	if row := get(t, &r, "COMMIT", OtherName); row.Calls < exports-ExportsMax {
		t.Errorf("%d calls are on other exports", row.Calls)
	}
}

// TestNames looks for numbers that mean nothing.
func TestNames(t *testing.T) {
	for p, want := range map[Procedure]string{
		NFS3.Procedure(1): "GETATTR", NFS3.Procedure(22): "unknown", NFS3.Procedure(1 << 31): "unknown", NLM.Procedure(17): "unknown", NLM.Procedure(23): "FREE_ALL",
		NineP.Procedure(0): "unknown", NineP.Procedure(110 / 2): "Twalk", GetPort(): "GETPORT", Unknown.Procedure(0): "unknown", Portmap.Procedure(3): "GETADDR",
	} {
		if p.String() != want {
			t.Errorf("%d of %s is %s, want %s", p, p.Protocol(), p, want)
		}
	}
	if NLM.Procedure(17).Protocol() != NLM {
		t.Error("an unknown number is of another protocol")
	}
	for _, c := range []struct {
		p    Protocol
		s    Status
		want string
	}{{NFS3, 0, "OK"}, {NFS3, 70, "NFS3ERR_STALE"}, {NineP, 2, "ENOENT"}, {Mount, 13, "MNT3ERR_ACCES"}, {NLM, Refused(GarbageArgs), "GARBAGE_ARGS"},
		{NFS3, 4711, "status 4711"}, {Unknown, Refused(99), "status 2147483747"}} {
		if got := c.p.StatusName(c.s); got != c.want {
			t.Errorf("status %d of %s is %s, want %s", c.s, c.p, got, c.want)
		}
	}
}
