package rpc

import (
	"net/netip"

	"pmemfs/server/traffic"
)

// Request is one call on its way to an answer. It, and every byte slice in it, is valid until its program returns.
type Request struct {
	Call
	Record  []byte         // the whole call, of which Call's slices are parts
	Remote  netip.AddrPort // the client; the zero value if it has no such address
	Local   netip.AddrPort // the address of this machine that it called; the zero value if that is not known
	Zone    string         // the interface by which Remote is reached, if Remote means nothing without
	MayWait bool           // false: the connection stands still meanwhile, so rather return Wait than wait
	Sys     SysCred        // who calls, if CredFlavor is AuthSys

	// Datagram says that the call came over UDP: Remote may be forged, and replies longer than DatagramBytes are not sent.
	Datagram bool

	// Own is the program's: what it puts there it finds with the next call that is answered in place on the same connection. Of a Session see
	// Session.Serve.
	Own any

	// Room is set by a program that returns Wait for a call, to the room in which the call is to wait; nil for none.
	Room *Room
	// Crowded asks a program to refuse the call for now, if its protocol can say so, and if the connection has calls of other rooms: there is no
	// place in the room that it has named, and has not been for a while.
	Crowded bool

	// Counted is what is counted of the call. Its procedure is known from the program; the program says the rest, as far as it comes.
	Counted Counted

	conn    *conn    // that the call is answered in place of; nil for others
	waiter  *waiter  // that answers it beside the connection's other calls; nil for others
	link    *link    // of the connection that it came on
	receipt *Receipt // nil until somebody asks for it
	replied int      // bytes of the reply, its mark included
	counted bool     // the call has been counted, as its reply leaves before its program returns
}

// Forgeable reports whether anybody can have sent a call, in the name of its client: over UDP, and from a port that an ordinary user of the
// client's machine can have as well.
func Forgeable(r *Request) bool { return r.Datagram && r.Remote.Port() >= 1024 }

// Beside reports whether the call is answered beside the connection's others, so that it may wait for another client. Where there is no room
// for that the connection stands still meanwhile, and neither what would end the wait nor its end would be noticed.
func (r *Request) Beside() bool { return r.MayWait && r.conn == nil }

// LeaveSeat is called before such a call waits for another client: who waits for long is not to take the seat of a call at work.
func (r *Request) LeaveSeat() {
	if r.waiter != nil {
		r.waiter.leaveSeat()
	}
}

// Result is what became of a call: an AcceptStat, Wait, or what Reject returns.
type Result uint32

const (
	// Wait says that the call would have to wait. Nothing has happened; the program is called again, with MayWait, beside
	// the connection's other calls.
	Wait Result = 1 << 16
	// rejected is the flag of a refused credential; the reason is beside it.
	rejected Result = 1 << 17
)

// Reject refuses a call for its credential, for a reason such as AuthBadCred (RFC 5531 section 9, auth_stat).
func Reject(reason uint32) Result { return rejected | Result(reason) }

// Program answers the calls of one RPC program.
type Program struct {
	Number    uint32
	Low, High uint32           // versions that are served
	Datagrams bool             // served over UDP too
	Counted   traffic.Protocol // as what its calls are counted
	// Serve answers a call whose program and version are right: it appends the results to e, behind the header of a
	// successful reply, and returns Success. With another result what it has appended counts for nothing. It must be safe
	// for any number of goroutines, and every reply must be true on the medium when Serve returns.
	Serve func(r *Request, e *Encoder) Result
}
