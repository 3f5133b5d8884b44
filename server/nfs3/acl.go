package nfs3

import (
	"pmemfs/pmemfs"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
	"pmemfs/server/traffic"
)

// NFSACL shares everything with NFS but the numbers: handles, admission, waiting, and the duplicate request cache.

// ACLProgram is NFSACL version 3, to be served beside Program.
func (s *Server) ACLProgram() rpc.Program {
	return rpc.Program{Number: nfswire.ProgACL, Low: nfswire.Version, High: nfswire.Version, Counted: traffic.NFSACL, Serve: s.serveACL}
}

var aclProcedures = [nfswire.ProcACLCount]procedure{
	nfswire.ProcACLNull: {serve: (*call).null},
	nfswire.ProcGetACL:  {serve: (*call).getACL},
	nfswire.ProcSetACL:  {serve: (*call).setACL, changes: true, cached: true},
}

func (s *Server) serveACL(r *rpc.Request, e *rpc.Encoder) rpc.Result {
	if r.Proc >= nfswire.ProcACLCount {
		return rpc.ProcUnavail
	}
	return s.answer(&aclProcedures[r.Proc], r, e)
}

// getACL tells the lists of a file, to anybody who may have its attributes. Where there is none the mode says what the access list
// is, as Solaris and Linux have it.
func (c *call) getACL() rpc.Result {
	c.fh(0)
	mask := c.d.Uint32()
	if !c.d.Done() {
		return rpc.GarbageArgs
	}
	st := c.admit(1)
	if st == nfswire.OK && mask&^nfswire.ACLMaskAll != 0 {
		st = nfswire.ErrInval
	}
	var acls pmemfs.ACLs
	if st == nfswire.OK {
		var err error
		acls, err = c.s.eng.GetACLs(&c.call, c.h[0])
		st = c.status(err)
	}
	if st == wait {
		return rpc.Wait
	}
	ok := c.put(st)
	c.putPost(0)
	if !ok {
		return rpc.Success
	}
	c.e.Uint32(mask)
	if mask&(nfswire.ACLAccess|nfswire.ACLAccessCount) == 0 {
		acls.Access = nil
	}
	if mask&(nfswire.ACLDefault|nfswire.ACLDefaultCount) == 0 {
		acls.Default = nil
	}
	a := &c.call.WCC[0].Post
	nfswire.PutACL(c.e, a, acls.Access, mask&nfswire.ACLAccess != 0, false)
	nfswire.PutACL(c.e, a, acls.Default, mask&nfswire.ACLDefault != 0, true)
	return rpc.Success
}

// setACL sets the lists that the mask names, in one step; an empty one removes. The bits of counts mean nothing here. A call that is
// repeated must not take back what another client has set since, so it is carried out once, as SETATTR is.
func (c *call) setACL() rpc.Result {
	c.fh(0)
	mask := c.d.Uint32()
	access, def := nfswire.ACLBytes(&c.d), nfswire.ACLBytes(&c.d)
	// Linux makes room for an access list of four entries even where it sends none, and leaves that behind the arguments.
	if !c.d.OK() || len(c.d.Rest()) > 4*nfswire.ACLEntryBytes {
		return rpc.GarbageArgs
	}
	st := c.admit(1)
	if st == nfswire.OK && mask&^nfswire.ACLMaskAll != 0 {
		st = nfswire.ErrInval
	}
	if st == nfswire.OK && !c.replayed(nil) {
		st = c.status(c.setACLs(mask, access, def))
	}
	if st == wait {
		return rpc.Wait
	}
	c.put(st)
	c.putPost(0)
	return rpc.Success
}

func (c *call) setACLs(mask uint32, access, def []byte) (err error) {
	var acls pmemfs.ACLs
	var kind pmemfs.ACLKind
	if mask&nfswire.ACLAccess != 0 {
		kind |= pmemfs.ACLAccess
		if acls.Access, err = nfswire.DecodeACL(access); err != nil {
			return err
		}
	}
	if mask&nfswire.ACLDefault != 0 {
		kind |= pmemfs.ACLDefault
		if acls.Default, err = nfswire.DecodeACL(def); err != nil {
			return err
		}
	}
	if kind == 0 {
		_, err := c.s.eng.Getattr(&c.call, c.h[0])
		return err
	}
	return c.s.eng.SetACLs(&c.cred, &c.call, c.h[0], acls, kind)
}
