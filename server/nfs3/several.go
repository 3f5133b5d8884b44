package nfs3

import (
	"encoding/binary"
	"errors"
	"slices"

	"pmemfs/server/handle"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// several is servers, each of an image of its own, that answer at one address. The first argument of every procedure is a handle, which begins
// with the number of its filesystem; a call goes to the server of that. A handle of no image goes to the first, which finds it stale.
type several struct {
	servers []*Server
	fsids   []uint64
}

// Programs are NFS and NFSACL of servers of one address, each of an image. One alone answers by itself, without a look at the handle.
func Programs(servers ...*Server) []rpc.Program {
	programs := []rpc.Program{servers[0].Program(), servers[0].ACLProgram()}
	if len(servers) == 1 {
		return programs
	}
	v := &several{servers: servers}
	for _, s := range servers {
		v.fsids = append(v.fsids, s.fsid)
	}
	for _, s := range servers {
		s.siblings = v.fsids
	}
	programs[0].Serve = func(r *rpc.Request, e *rpc.Encoder) rpc.Result { return v.of(r.Args).serve(r, e) }
	programs[1].Serve = func(r *rpc.Request, e *rpc.Encoder) rpc.Result { return v.of(r.Args).serveACL(r, e) }
	return programs
}

// fsidAt is where in a handle argument the number of the filesystem is, behind the length.
const fsidAt, fsidEnd = 4, 4 + 8

// of is the server that a call with these arguments is for.
func (v *several) of(args []byte) *Server {
	if len(args) >= fsidEnd {
		fsid := binary.BigEndian.Uint64(args[fsidAt:])
		for i, each := range v.fsids {
			if each == fsid {
				return v.servers[i]
			}
		}
	}
	return v.servers[0]
}

// own returns the call that a connection keeps for the server among those that it keeps for several.
func (s *Server) own(r *rpc.Request) (c *call, own bool) {
	for c, _ = r.Own.(*call); c != nil; c = c.next {
		if c.s == s {
			return c, true
		}
	}
	return nil, false
}

// keep has a connection keep a call for its next of the same server.
func (c *call) keep(r *rpc.Request) {
	c.next, _ = r.Own.(*call)
	r.Own = c
}

// shares reports whether a connection has had calls for other servers.
func (s *Server) shares(r *rpc.Request) bool {
	for c, _ := r.Own.(*call); c != nil; c = c.next {
		if c.s != s {
			return true
		}
	}
	return false
}

// handleStatus is the status of a call whose handle i is none. RENAME and LINK name two: of two images they are on two devices (RFC 1813
// sections 3.3.14 and 3.3.15).
func (c *call) handleStatus(i int, err error) nfswire.Status {
	if i > 0 && errors.Is(err, handle.ErrForeign) && slices.Contains(c.s.siblings, binary.BigEndian.Uint64(c.raw[i])) {
		return nfswire.ErrXDev
	}
	return nfswire.StatusOf(err)
}
