package server

import (
	"os"

	"pmemfs/server/gonfs"
	"pmemfs/server/handle"
	"pmemfs/server/mount3"
	"pmemfs/server/nfs3"
	"pmemfs/server/nlm"
	"pmemfs/server/nsm"
	"pmemfs/server/peer"
	"pmemfs/server/rpc"
	"pmemfs/server/rquota"
)

// programs are what is served at the address of NFS. MOUNT and RQUOTA find an image by the path of an export; NFS and the lock manager have a
// server for each image, and find it by the file handle.
func (s *Server) programs(c *Config) []rpc.Program {
	var mounts []mount3.Image
	var quotas []rquota.Image
	for _, i := range s.images {
		mounts = append(mounts, mount3.Image{Engine: i.eng, Exports: i.exports, Handles: handle.New(i.eng)})
		quotas = append(quotas, rquota.Image{Engine: i.eng, Exports: i.exports})
	}
	programs := append(s.lockPrograms(&c.Locking), mount3.New(mount3.Config{Images: mounts, Logger: c.Logger}).Program(), rquota.New(quotas...).Program())
	if c.NFSStack == StackGoNFS {
		i := s.images[0]
		i.goNFS = gonfs.New(gonfs.Config{Engine: i.eng, Exports: i.exports, Logger: i.log})
		return append(programs, i.goNFS.Program())
	}
	var natives []*nfs3.Server
	for _, i := range s.images {
		i.native = nfs3.New(nfs3.Config{Engine: i.eng, Exports: i.exports, Logger: i.log, Room: i.room})
		natives = append(natives, i.native)
	}
	return append(programs, nfs3.Programs(natives...)...)
}

// lockPrograms are those by which clients lock files. An image that cannot say who had locks has none: its files are served all the same.
func (s *Server) lockPrograms(c *Locking) []rpc.Program {
	s.peers = peer.New(0)
	if !s.locking(c) {
		return nil
	}
	name, err := os.Hostname()
	if err != nil {
		s.log.Warn("this machine has no name to tell clients of a restart", "error", err)
	}
	state := s.nextState()
	var servers []*nlm.Server
	var without []uint64
	for _, i := range s.images {
		if !i.readOnly {
			locks, err := nlm.New(nlm.Config{Engine: i.eng, Exports: i.exports, Peers: s.peers, Name: name, Grace: c.Grace, State: state, Logger: i.log})
			if err == nil {
				i.locks, servers = locks, append(servers, locks)
				continue
			}
			i.log.Error("clients cannot lock files", "error", err)
		}
		codec := handle.New(i.eng)
		without = append(without, codec.FSID())
	}
	if len(servers) == 0 {
		return nil
	}
	return nlm.Programs(servers, without...)
}

// nextState is the state number of the status monitor, the same for all images, as they are one host to clients. One that cannot say its own will
// have no locks.
func (s *Server) nextState() (state uint32) {
	for _, i := range s.images {
		if next, err := nsm.NextState(i.eng); err == nil {
			state = max(state, next)
		}
	}
	return state
}
