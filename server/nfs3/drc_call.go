package nfs3

import (
	"encoding/binary"

	"pmemfs/pmemfs"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
	"pmemfs/server/traffic"
)

// A client whose reply was lost sends the call once more, with the same xid, on another connection, maybe to another incarnation of the
// server. The call must not be carried out twice: the file that REMOVE removed is not there any more. So the server remembers requests:
//
//   - in memory, in the duplicate request cache, with their replies: for each client as many as it may have outstanding (drc.go);
//   - on the medium, in the record of the operation itself, as a request note: "the request with this key was carried out"
//     (pmemfs.RequestNote). There is no moment at which an operation has happened and its request note is not there.
//
// A new call must not be answered with the reply to another one. Two programs behind one address, or one program that counts its xids
// from a constant, would both be told that they have made the lock. So a call is taken for a retransmission only if its sender can still
// be waiting (see drcEntry.awaited).
//
// A digest covers the client's address, the xid, the procedure, the credential and the arguments; the image's secret keys it. A request
// key covers the client's port besides, since after a crash nobody knows what a client has acknowledged.

// serveThroughDRC carries a call out, or answers it from the cache if it is a retransmission. Nothing is remembered of a host that no export
// admits: whatever it asks for is refused.
func (c *call) serveThroughDRC() rpc.Result {
	if !c.s.exports.Admits(c.r.Remote.Addr()) {
		return c.p.serve(c)
	}
	digest := c.digest()
	key := requestKey(digest, c.r.Remote.Port())
	if made, ok := c.s.drc.earlier(key); ok {
		c.s.drc.hits.Add(1)
		c.replay, c.madeBefore = true, made
		return c.p.serve(c)
	}
	m, reply, busy := c.s.drc.begin(c.r, digest, &c.place)
	for busy != nil {
		if !c.r.MayWait {
			return rpc.Wait
		}
		<-busy
		m, reply, busy = c.s.drc.begin(c.r, digest, &c.place)
	}
	if m == nil {
		c.s.drc.hits.Add(1)
		c.e.Raw(reply)
		c.r.Counted.Status = traffic.Status(binary.BigEndian.Uint32(reply)) // which they all begin with
		return rpc.Success
	}
	c.s.drc.misses.Add(1)
	done := false
	defer func() {
		if !done { // a panic, bad arguments, or a call that will come again
			c.s.drc.abandon(m)
		}
	}()
	c.call.Key = key
	at := c.e.Len()
	result := c.p.serve(c)
	if result == rpc.Success {
		c.s.drc.finish(m, c.e.Bytes()[at:])
		done = true
	}
	return result
}

// digest tells a call from all others that its address has ever made.
func (c *call) digest() (digest pmemfs.RequestKey) {
	addr := c.r.Remote.Addr().As16()
	head := append(c.scratch[:0], addr[:]...)
	proc := c.r.Proc
	if c.r.Prog != nfswire.ProgNFS {
		proc |= 1 << 16 // of NFSACL
	}
	for _, v := range [...]uint32{c.r.XID, proc, uint32(len(c.r.CredBody))} {
		head = binary.BigEndian.AppendUint32(head, v)
	}
	c.hash.Reset()
	c.hash.Write(head) // never fails, says its documentation
	c.hash.Write(c.r.CredBody)
	c.hash.Write(c.r.Args)
	copy(digest[:], c.hash.Sum(c.scratch[:0]))
	return digest
}

// requestKey is the key of a call in the engine's request notes.
func requestKey(digest pmemfs.RequestKey, port uint16) pmemfs.RequestKey {
	digest[0] ^= byte(port)
	digest[1] ^= byte(port >> 8)
	if digest == (pmemfs.RequestKey{}) {
		digest[2] = 1 // zero says nothing
	}
	return digest
}

// replayed reports whether the call was carried out in an earlier incarnation of the server, as its request note says, and fills in a with
// the file that it made then, if it made one. Its type is 0 if the file is gone.
func (c *call) replayed(a *pmemfs.Attr) bool {
	if !c.replay || a == nil {
		return c.replay
	}
	now, err := c.s.eng.Getattr(nil, c.madeBefore)
	if err != nil {
		now = pmemfs.Attr{Handle: c.madeBefore}
	}
	*a = now
	return true
}
