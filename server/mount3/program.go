// Package mount3 is the MOUNT protocol, version 3 (RFC 1813 section 5): how an NFS client turns the name of an export into
// its first handle, and sees what there is to mount.
//
// Of versions 1 and 2, which showmount on some systems speaks, it has all that has no NFSv2 handle in it: everything except
// MNT and PATHCONF, with the same arguments and results (RFC 1094 appendix A). To those two the answer is that there is no such procedure.
//
// # What a path names
//
// An export, or a directory below one: of all images that the server has. Symbolic links below an export are followed, as mountd and a local user would, with the
// permissions of who asks: a relative target from where the link lies, an absolute one from the export's directory, which no target leaves.
// A path ends at its first zero byte, since clients written in C send the whole of a buffer.
//
// # Who learns what
//
// A host that no export admits gets empty lists. Others see the exports that they may mount, the networks that they are in, and
// their own mounts.
//
// # Concurrency and durability
//
// A Server answers any number of calls at once. Its only lock guards the list of mounts and is held for no other call.
// Mounting changes nothing on the medium: a client that has a handle needs no mount to be known, so the list, which only
// DUMP shows, is in memory and bounded, and a restart empties it.
package mount3

import (
	"cmp"
	"log/slog"
	"net/netip"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/handle"
	"pmemfs/server/rpc"
	"pmemfs/server/traffic"
)

// Number is the RPC program number of MOUNT.
const Number = 100005

const (
	version3 = 3

	pathMax = 1024 // MNTPATHLEN (RFC 1813 section 5.1.1)
	nameMax = 255  // MNTNAMLEN
)

// Procedures (RFC 1813 section 5.2).
const (
	procNull    = 0
	procMnt     = 1
	procDump    = 2
	procUmnt    = 3
	procUmntAll = 4
	procExport  = 5
)

// Image is what is mounted: one of those of a server.
type Image struct {
	Engine  *pmemfs.FS
	Exports *export.Table
	Handles handle.Codec
}

// Config is what a Server needs.
type Config struct {
	Images []Image      // no two exports of which have the same name
	Logger *slog.Logger // nil for none
}

// Server answers MOUNT for the images of a server.
type Server struct {
	images  []Image
	exports export.Tables
	log     *slog.Logger
	mounts  mountList
}

// New returns a server. The engines stay the caller's to close, after the last call has been answered.
func New(c Config) *Server {
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	s := &Server{images: c.Images, log: c.Logger}
	for i := range c.Images {
		s.exports = append(s.exports, c.Images[i].Exports)
	}
	return s
}

// Program is the server as the transport knows it.
func (s *Server) Program() rpc.Program {
	return rpc.Program{Number: Number, Low: 1, High: version3, Datagrams: true, Counted: traffic.Mount, Serve: s.serve}
}

// serve answers one call.
func (s *Server) serve(r *rpc.Request, e *rpc.Encoder) rpc.Result {
	if r.Proc > procExport || r.Proc == procMnt && r.Vers != version3 {
		return rpc.ProcUnavail
	}
	dir, ok := decodeArgs(r.Proc, r.Args)
	if !ok {
		return rpc.GarbageArgs
	}
	if r.Proc == procNull {
		return rpc.Success // whoever asks (RFC 1813 section 5.2.0)
	}
	caller, refused := credential(r)
	switch {
	case refused != rpc.Success:
		return refused
	case r.Proc == procMnt && !r.MayWait:
		return rpc.Wait // for the locks of the directories on the way
	}
	switch r.Proc {
	case procMnt:
		s.mnt(r, string(dir), caller, e)
	case procDump:
		s.mounts.encode(hostOf(r.Remote), e)
	case procUmnt:
		s.mounts.remove(hostOf(r.Remote), cleaned(string(dir)))
	case procUmntAll:
		s.mounts.removeAll(hostOf(r.Remote))
	case procExport:
		s.encodeExports(r.Remote, e)
	}
	return rpc.Success
}

// decodeArgs reads a procedure's arguments: a dirpath for MNT and UMNT, nothing for the others.
func decodeArgs(proc uint32, args []byte) (dir []byte, ok bool) {
	d := rpc.NewDecoder(args)
	if proc == procMnt || proc == procUmnt {
		dir = d.Opaque(pathMax)
	}
	return dir, d.Done()
}

// credential is who says to be calling: with AUTH_NONE nobody in particular.
func credential(r *rpc.Request) (export.Caller, rpc.Result) {
	switch r.CredFlavor {
	case rpc.AuthNone:
		return export.Caller{Anonymous: true}, rpc.Success
	case rpc.AuthSys:
		c, ok := rpc.ParseSys(r.CredBody)
		if !ok {
			return export.Caller{}, rpc.Reject(rpc.AuthBadCred)
		}
		return export.Caller{UID: c.UID, GID: c.GID, Groups: c.Groups}, rpc.Success
	}
	return export.Caller{}, rpc.Reject(rpc.AuthTooWeak)
}

// encodeExports writes exports (RFC 1813 section 5.2.5): those that a host may mount from some port, with the networks among their clients' that it is in as
// groups. Which others there are, and for whom, is not its business. An export whose directory is missing is left out: some clients mount all that is
// listed below what they were told to, and give up at the first that they cannot.
func (s *Server) encodeExports(remote netip.AddrPort, e *rpc.Encoder) {
	host := remote.Addr().Unmap().WithZone("")
	for _, table := range s.exports {
		for _, x := range table.Load().All() {
			if !x.Allows(netip.AddrPortFrom(remote.Addr(), 1)) {
				continue
			}
			if _, err := table.Root(&x); err == nil {
				encodeExport(&x, host, e)
			}
		}
	}
	e.Bool(false)
}

// encodeExport writes one export.
func encodeExport(x *export.Export, host netip.Addr, e *rpc.Encoder) {
	e.Bool(true)
	e.Opaque([]byte(x.Name))
	for _, c := range x.Clients {
		if !c.Contains(host) {
			continue
		}
		e.Bool(true)
		e.Opaque([]byte(c.String()))
	}
	e.Bool(false)
}
