package rpc

import "pmemfs/server/traffic"

// What is answered is counted before its reply leaves, so that whoever has the reply finds the call among those that were counted. Calls of a
// connection are counted together, when its replies leave together: see traffic.Batch.

// Counted is what is counted of a call, beside what the transport knows.
type Counted struct {
	Procedure traffic.Procedure
	Export    traffic.Export // NoExport until it is known
	Status    traffic.Status // of the procedure; 0 for success

	// For whoever observes calls.
	File uint64 // that the call is about, as clients see its number; 0 for none
	Name []byte // in it, or the path that the client has asked for; part of the call
	User uint32 // whom a client of a Session says it is; of RPC Sys does
}

// Observer is told of each call that was answered, before its reply leaves: it must not wait. It may be called by any number of goroutines.
type Observer interface {
	Answered(r *Request, o *Observed)
}

// Observed is how a call went, beside what its Request says. Times are those of traffic.Table.Now.
type Observed struct {
	traffic.Event
	Arrived int64 // when the server began with the calls that had arrived with it
	Began   int64 // when its program was called, for the last time
	Ended   int64
	Beside  bool // it was answered beside its connection's others
}

// kinds of connections.
const (
	kindRPC     = "rpc"
	kindSession = "9p"
)

// joinTraffic begins to count the connection's calls.
func (c *conn) joinTraffic() {
	if c.srv.traffic == nil {
		return
	}
	kind := kindRPC
	if c.session != nil {
		kind = kindSession
	}
	c.traffic = c.srv.traffic.Join(c.client.addr, kind)
}

// beginCall notes the time of the first call whose reply has not left.
func (c *conn) beginCall() {
	if c.traffic != nil {
		c.set.calls.Begin(c.srv.traffic)
		c.began = c.srv.observedNow()
	}
}

// observedNow is the time for observers; 0 if there are none.
func (s *Server) observedNow() int64 {
	if s.observer == nil {
		return 0
	}
	return s.traffic.Now()
}

// observe tells the observer.
func (s *Server) observe(r *Request, ev *traffic.Event, arrived, began int64, beside bool) {
	if s.observer != nil {
		s.observer.Answered(r, &Observed{*ev, arrived, began, s.traffic.Now(), beside})
	}
}

// countCall takes in the call that has been answered in place.
func (c *conn) countCall(result Result) {
	if c.traffic != nil && !c.req.counted && result != panicked {
		c.note(&c.req, result, c.req.replied)
	}
}

// note adds a call to those that will be published.
func (c *conn) note(r *Request, result Result, n int) {
	if c.set.calls.Full() {
		c.publishOn()
	}
	ev := c.set.calls.Next()
	r.event(ev, result, n)
	if c.srv.observer != nil {
		c.srv.observe(r, ev, c.set.calls.Begun(), c.began, false)
	}
}

// countDirect counts a call whose reply, of n bytes, leaves now.
func (c *conn) countDirect(r *Request, n int) {
	if c.traffic != nil {
		r.counted = true
		c.note(r, Success, n)
		c.traffic.Publish(&c.set.calls)
	}
}

// countWaiter counts a call that was answered beside the connection.
func (c *conn) countWaiter(w *waiter, result Result) {
	if c.traffic != nil && result != panicked {
		var ev traffic.Event
		w.req.event(&ev, result, w.req.replied)
		c.srv.observe(&w.req, &ev, w.begun, w.began, true)
		c.traffic.One(ev, w.begun, true)
	}
}

// publish counts the calls whose replies are about to leave.
func (c *conn) publish() {
	if c.traffic != nil && c.set != nil {
		c.traffic.Publish(&c.set.calls)
	}
}

// publishOn is publish in the middle of a call.
func (c *conn) publishOn() {
	if c.traffic != nil {
		begun := c.set.calls.Begun()
		c.traffic.Publish(&c.set.calls)
		c.set.calls.Resume(begun)
	}
}

// event fills in ev with the call, which was answered with n bytes.
func (r *Request) event(ev *traffic.Event, result Result, n int) {
	ev.Procedure, ev.Export, ev.Status = r.Counted.Procedure, r.Counted.Export, r.Counted.Status
	ev.In, ev.Out = uint32(len(r.Record)+markBytes), uint32(n)
	if result != Success {
		ev.Status = refusedStatus(result)
	}
}

// refusedStatus is the status of a call that its program has not carried out.
func refusedStatus(result Result) traffic.Status {
	switch {
	case result == mismatchRPC:
		return traffic.Refused(traffic.RPCMismatch)
	case result&rejected != 0:
		return traffic.Refused(traffic.AuthError)
	case result == Wait: // which was refused as a fault of the program
		return traffic.Refused(traffic.SystemErr)
	}
	return traffic.Refused(uint32(result))
}

// begun is when the server begins with a datagram.
func (d *Datagrams) begun() int64 {
	if d.srv.traffic == nil {
		return 0
	}
	return d.srv.traffic.Now()
}

// count counts a call that came in a datagram.
func (d *Datagrams) count(r *Request, result Result, begun, began int64, offloaded bool) {
	if t := d.srv.traffic; t != nil {
		var ev traffic.Event
		r.event(&ev, result, r.replied-markBytes)
		d.srv.observe(r, &ev, begun, began, offloaded)
		t.UDP().One(ev, begun, offloaded)
	}
}
