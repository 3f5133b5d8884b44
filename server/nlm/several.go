package nlm

import (
	"encoding/binary"
	"slices"

	"pmemfs/server/handle"
	"pmemfs/server/nsm"
	"pmemfs/server/rpc"
)

// several is servers, each of an image of its own, that answer at one address. A call goes to the server of the image that its handle is of, and one
// that names no handle to all, as each knows what it means to it: that a client has been restarted, or the answer to a grant of the one that has
// given it.
type several struct {
	servers []*Server
	without []uint64 // filesystems of images whose files cannot be locked
}

// Programs are the lock manager and the status monitor of servers of one address, each of an image. One alone answers by itself. There are no locks
// for files of the filesystems without, which are served there too.
func Programs(servers []*Server, without ...uint64) []rpc.Program {
	programs := servers[0].Programs()
	if len(servers)+len(without) == 1 {
		return programs
	}
	v := &several{servers, without}
	programs[0].Serve = v.serve
	var monitors []*nsm.Monitor
	for _, s := range servers {
		monitors = append(monitors, s.monitor)
	}
	programs[1] = nsm.ProgramOf(monitors...)
	return programs
}

// serve has those answer a call that it is for.
func (v *several) serve(r *rpc.Request, e *rpc.Encoder) rpc.Result {
	if r.Proc == procFreeAll || r.Proc >= procRes && r.Proc < procRes+async {
		for _, s := range v.servers { // none of which appends anything
			if result := s.serve(r, e); result != rpc.Success {
				return result // of the first already: what decides is in the call
			}
		}
		return rpc.Success
	}
	s, has := v.of(r)
	return s.serveAs(r, e, has)
}

// of is the server of the image that a call is about. A handle of no image is the first one's, which finds it stale; so is one of an image
// whose files cannot be locked, of which it can say that alone.
func (v *several) of(r *rpc.Request) (s *Server, has bool) {
	a, ok := decode(r.Proc, r.Vers, r.Args)
	if !ok || len(a.lock.fh) != handle.Bytes {
		return v.servers[0], true
	}
	fsid := binary.BigEndian.Uint64(a.lock.fh)
	for _, s := range v.servers {
		if s.handles.FSID() == fsid {
			return s, true
		}
	}
	return v.servers[0], !slices.Contains(v.without, fsid)
}
