package nlm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"net/netip"
	"strings"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/handle"
	"pmemfs/server/nsm"
	"pmemfs/server/peer"
	"pmemfs/server/rpc"
	"pmemfs/server/share"
	"pmemfs/server/traffic"
)

// call is one call on its way through the server.
type call struct {
	s    *Server
	r    *rpc.Request
	a    *arguments
	proc uint32 // the synchronous form

	without bool // no file of the image can be locked

	h    pmemfs.Handle
	exp  *export.Export
	cred pmemfs.Cred
	want pmemfs.FileLock
}

// answer carries the call out and appends its results: cookie and status, and for TEST and SHARE what follows.
func (c *call) answer(e *rpc.Encoder) {
	e.Opaque(c.a.cookie)
	var holder *pmemfs.FileLock
	st, repeated := c.s.drc.find(c.r, c.proc)
	if c.without {
		st = deniedNoLock
	} else if !repeated {
		if st = c.admit(); st == granted {
			st, holder = c.run()
		}
		if c.s.exports.Admits(c.r.Remote.Addr()) {
			c.s.drc.add(c.r, c.proc, st)
		}
	}
	e.Uint32(uint32(st.in(c.r.Vers)))
	if st != blocked { // which is no failure
		c.r.Counted.Status = traffic.Status(st)
	}
	switch {
	case c.proc == procTest && st.in(c.r.Vers) == denied:
		if holder == nil { // as deadlock is, to those who do not know it
			holder = &c.want
		}
		e.Bool(holder.Exclusive)
		e.Uint32(svidOf(holder.Owner.ID))
		e.Opaque([]byte(holder.Tag))
		putRange(e, c.r.Vers, holder.Start, lengthOf(holder))
	case c.proc == procShare || c.proc == procUnshare:
		e.Uint32(0) // sequence: of no use
	}
}

func (c *call) run() (status, *pmemfs.FileLock) {
	switch c.proc {
	case procTest:
		return c.test()
	case procLock:
		return c.lock(true), nil
	case procNMLock:
		return c.lock(false), nil
	case procCancel:
		return c.cancel(), nil
	case procUnlock:
		return c.unlock(), nil
	case procShare:
		return c.share(), nil
	case procUnshare:
		return statusOf(c.s.eng.Unshare(c.h, c.sharer())), nil
	}
	return denied, nil // GRANTED: this server waits for no lock
}

// admit finds out what file the handle names, by the rules of which export, and whom the caller is taken for.
func (c *call) admit() status {
	if c.proc == procGranted {
		return granted
	}
	id, h, err := c.s.handles.Decode(c.a.lock.fh)
	if errors.Is(err, handle.ErrForeign) {
		return staleHandle
	}
	if err != nil {
		return failed
	}
	if !isName(c.a.lock.caller) {
		return failed
	}
	end, ok := c.a.lock.end()
	if !ok {
		return tooBig
	}
	c.h = h
	if st := c.enter(c.s.exports.Load().ByID(id)); st != granted {
		return st
	}
	c.want = pmemfs.FileLock{
		Owner: pmemfs.LockOwner{Client: c.client(), ID: idOf(c.host(), c.a.lock.svid)}, Exclusive: c.a.exclusive,
		Start: c.a.lock.start, End: end, Tag: string(c.a.lock.oh),
	}
	return granted
}

// enter applies the rules of an export. Who lets go of something need not be let in any more.
func (c *call) enter(exp *export.Export) status {
	if exp != nil {
		c.r.Counted.Export = exp.Counted()
	}
	switch c.proc {
	case procUnlock, procCancel, procUnshare:
		return granted
	}
	switch {
	case exp == nil:
		return staleHandle
	case !exp.Allows(c.r.Remote):
		return failed
	case !exp.Offers(c.h):
		return staleHandle
	}
	c.exp = exp
	sys := &c.r.Sys
	c.cred = exp.Cred(export.Caller{Anonymous: c.r.CredFlavor != rpc.AuthSys, UID: sys.UID, GID: sys.GID, Groups: sys.Groups})
	return granted
}

// isName reports whether a caller_name is one of a host.
func isName(b []byte) bool {
	return len(b) > 0 && len(b) <= nsm.NameMax && !bytes.ContainsRune(b, 0)
}

// client is by whom locks are counted: the address, as everywhere.
func (c *call) client() string { return clientOf(c.r.Remote.Addr()) }

func clientOf(addr netip.Addr) string { return share.Key(addr).String() }

// host is by whom they are dropped.
func (c *call) host() nsm.Host {
	return nsm.Host{Addr: c.r.Remote.Addr(), Name: string(c.a.lock.caller)}
}

// prefixOf begins the owners of a host, whose neighbours may be counted with it: its address and its name, and a zero.
func prefixOf(h nsm.Host) string { return h.Addr.String() + "/" + h.Name + "\x00" }

// Owners of a host: the prefix, and for locks 'l' and the number, for reservations 's' and what the client calls the owner.
func idOf(h nsm.Host, svid uint32) string {
	return string(binary.BigEndian.AppendUint32([]byte(prefixOf(h)+"l"), svid))
}

func (c *call) sharer() pmemfs.LockOwner {
	return pmemfs.LockOwner{Client: c.client(), ID: prefixOf(c.host()) + "s" + string(c.a.lock.oh)}
}

// svidOf is the number of an owner: its own, or for an owner of another protocol none.
func svidOf(id string) uint32 {
	at := strings.IndexByte(id, 0)
	if at < 0 || len(id) != at+6 || id[at+1] != 'l' {
		return 0
	}
	return binary.BigEndian.Uint32([]byte(id[at+2:]))
}

// OwnerOf returns what an owner's client calls itself and the number that it gives the owner; 0 for one of a reservation.
func OwnerOf(id string) (name string, process uint32) {
	host, _, _ := strings.Cut(id, "\x00")
	_, name, _ = strings.Cut(host, "/")
	return name, svidOf(id)
}

// ownedBy selects the owners of a host.
func ownedBy(h nsm.Host) func(id string) bool {
	return func(id string) bool { return strings.HasPrefix(id, prefixOf(h)) }
}

// test answers NLM_TEST.
func (c *call) test() (status, *pmemfs.FileLock) {
	if c.s.monitor.InGrace() {
		return deniedGrace, nil
	}
	l, found, err := c.s.eng.TestLock(&c.cred, nil, c.h, c.want)
	if err == nil && found {
		return denied, &l
	}
	return statusOf(err), nil
}

// lock answers NLM_LOCK and, unless the client is to be watched, NLM_NM_LOCK.
func (c *call) lock(watched bool) status {
	s := c.s
	if st := c.mayAsk(); st != granted {
		return st
	}
	if c.exp.ReadOnly && c.a.exclusive {
		return readOnly
	}
	if watched {
		if err := s.monitor.Watch(c.host(), peer.RouteOf(c.r), c.a.state); err != nil {
			return s.unknown(c.host(), err)
		}
	}
	if s.confirm(c.grantKey()) {
		return granted
	}
	var err error
	if c.a.block {
		var now bool
		g := c.newGrant()
		if now, err = s.eng.WaitLock(&c.cred, nil, c.h, c.want, g.done); err == nil && !now {
			return blocked
		}
	} else {
		err = s.eng.TryLock(&c.cred, nil, c.h, c.want)
	}
	if err == nil && c.a.reclaim {
		s.monitor.Claimed(c.host())
	}
	return statusOf(err)
}

// unknown refuses a client that cannot be remembered.
func (s *Server) unknown(h nsm.Host, err error) status {
	level := slog.LevelWarn
	if errors.Is(err, nsm.ErrFull) {
		level = slog.LevelDebug // it may be one that asks for many
	}
	s.log.Log(s.ctx, level, "no lock for a client that cannot be remembered", "client", h.String(), "error", err)
	return deniedNoLock
}

// mayAsk reports whether it is time for the lock that is asked for: in grace only for those that are claimed, and afterwards only
// for others.
func (c *call) mayAsk() status {
	if c.a.reclaim {
		if !c.s.monitor.InGrace() {
			return deniedGrace
		}
	} else if c.s.monitor.Asks(c.host()) {
		return deniedGrace
	}
	return granted
}

// cancel answers NLM_CANCEL: the request is gone, and so is its lock if that was granted and the client does not know yet.
func (c *call) cancel() status {
	if c.s.eng.CancelLock(c.h, c.want) || c.s.giveUp(c.grantKey()) {
		return granted
	}
	return denied
}

// unlock answers NLM_UNLOCK. What the owner asked for in the same range is taken back first.
func (c *call) unlock() status {
	for _, exclusive := range []bool{false, true} {
		c.want.Exclusive = exclusive
		c.s.eng.CancelLock(c.h, c.want)
		c.s.giveUp(c.grantKey())
	}
	return statusOf(c.s.eng.Unlock(c.h, c.want.Owner, c.want.Start, c.want.End))
}

// share answers NLM_SHARE.
func (c *call) share() status {
	if st := c.mayAsk(); st != granted {
		return st
	}
	deny, access := shareOf(c.a.mode), shareOf(c.a.access)
	if c.exp.ReadOnly && (deny != 0 || access&pmemfs.ShareWrite != 0) {
		return readOnly
	}
	if err := c.s.monitor.Watch(c.host(), peer.RouteOf(c.r), 0); err != nil {
		return c.s.unknown(c.host(), err)
	}
	err := c.s.eng.Share(&c.cred, nil, c.h, pmemfs.FileShare{Owner: c.sharer(), Access: access, Deny: deny})
	return statusOf(err)
}

// shareOf is fsh4_mode or fsh4_access (RFC 1813 section 6.1.4) as the engine has it.
func shareOf(bits uint32) (m pmemfs.ShareMode) {
	if bits&1 != 0 {
		m |= pmemfs.ShareRead
	}
	if bits&2 != 0 {
		m |= pmemfs.ShareWrite
	}
	return m
}

// freeAll answers NLM_FREE_ALL: a client without a status monitor has been restarted.
func (s *Server) freeAll(r *rpc.Request, a *arguments) {
	s.crashed(nsm.Host{Addr: r.Remote.Addr(), Name: string(a.lock.caller)})
}

// crashed drops all that a host has.
func (s *Server) crashed(h nsm.Host) {
	s.giveUpAll(h)
	if n := s.eng.DropLocks(clientOf(h.Addr), ownedBy(h)); n > 0 {
		s.log.Info("locks dropped", "client", h.String(), "count", n)
	}
}

// holds reports whether a host has anything that a restart of this server would make it claim.
func (s *Server) holds(h nsm.Host) bool { return s.eng.HasLocks(clientOf(h.Addr), ownedBy(h)) }

// statusOf maps the engine's errors.
func statusOf(err error) status {
	switch {
	case err == nil:
		return granted
	case errors.Is(err, pmemfs.ErrConflict):
		return denied
	case errors.Is(err, pmemfs.ErrDeadlock):
		return deadlock
	case errors.Is(err, pmemfs.ErrNoLocks):
		return deniedNoLock
	case errors.Is(err, pmemfs.ErrStale):
		return staleHandle
	case errors.Is(err, pmemfs.ErrReadOnly):
		return readOnly
	}
	return failed
}
