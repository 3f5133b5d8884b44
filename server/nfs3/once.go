package nfs3

import (
	"encoding/binary"

	"pmemfs/pmemfs"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// A reply that is lost with its connection is asked for again, with the call's xid, on another connection, maybe of another
// life of the server. To carry the call out twice would be wrong: the file that REMOVE removed is not there any more. So what
// was answered is remembered:
//
//   - in memory, reply by reply, for each client as many as it may have outstanding (replies.go);
//   - on the medium, in the record of the operation itself, as a note with the key of the call (pmemfs.Note). There is no moment
//     at which an operation has happened and its note is not there.
//
// The key is a keyed digest of the client's address, the xid, the procedure, the credential and the arguments: clients use xids
// again, and a new call with an old xid is another call.

// serveOnce carries a call out unless it was before, and otherwise says again what came of it.
func (c *call) serveOnce() rpc.Result {
	key := c.key()
	if made, ok := c.s.replies.earlier(key); ok {
		c.replay, c.madeBefore = true, made
		return c.run()
	}
	h := c.s.replies.of(c.r.Remote.Addr())
	slot, reply, busy := h.begin(key)
	for busy != nil {
		if !c.r.MayWait {
			return rpc.Wait
		}
		<-busy
		slot, reply, busy = h.begin(key)
	}
	if reply != nil {
		c.e.Raw(reply)
		return rpc.Success
	}
	done := false
	defer func() {
		if !done { // a panic, bad arguments, or a call that will come again
			h.abandon(slot, key)
		}
	}()
	c.call.Note = key
	at := c.e.Len()
	result := c.run()
	if result == rpc.Success {
		h.finish(slot, key, c.e.Bytes()[at:])
		done = true
	}
	return result
}

// key identifies a call among all that its client has ever made.
func (c *call) key() (key pmemfs.NoteKey) {
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
	copy(key[:], c.hash.Sum(c.scratch[:0]))
	if key == (pmemfs.NoteKey{}) {
		key[0] = 1 // zero says nothing
	}
	return key
}

// replayed reports whether the call was carried out in an earlier life of the server, as its note says, and fills in a with
// the file that it made then, if it made one. Its type is 0 if the file is gone.
func (c *call) replayed(a *pmemfs.Attr) bool {
	if !c.replay || a == nil {
		return c.replay
	}
	now, err := c.s.eng.Getattr(c.madeBefore)
	if err != nil {
		now = pmemfs.Attr{Handle: c.madeBefore}
	}
	*a = now
	return true
}
