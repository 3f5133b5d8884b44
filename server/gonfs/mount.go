package gonfs

import (
	"path"
	"strings"

	nfs "github.com/willscott/go-nfs"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/rpc"
)

// Procedures of MOUNT version 3 (RFC 1813 section 5.2).
const (
	mountNull    = 0
	mountMnt     = 1
	mountDump    = 2
	mountUmnt    = 3
	mountUmntAll = 4
	mountExport  = 5
)

// superuser walks to the root of an export, which the administrator has chosen to show.
var superuser = pmemfs.Cred{}

// serveMount answers the MOUNT protocol: EXPORT, DUMP and UMNTALL here, as go-nfs has none of them.
func (s *Server) serveMount(r *request) []byte {
	shape := ""
	switch r.call.Proc {
	case mountMnt, mountUmnt:
		shape = "D"
	case mountNull, mountDump, mountUmntAll, mountExport:
	default:
		return rpc.NewReply(r.call.XID, rpc.ProcUnavail).Finish()
	}
	if !r.args.decode(shape, r.call.Args) || len(r.args.data) > maxPath {
		return rpc.NewReply(r.call.XID, rpc.GarbageArgs).Finish()
	}
	e := rpc.NewReply(r.call.XID, rpc.Success)
	if r.call.Proc == mountMnt && len(r.args.data) == 0 {
		e.Uint32(uint32(nfs.MountStatusErrNoEnt)) // go-nfs cannot read an empty path
		return e.Finish()
	}
	switch r.call.Proc {
	case mountDump:
		e.Bool(false) // no list is kept: mounting leaves no state here
	case mountExport:
		s.putExports(e)
	case mountUmntAll:
	default:
		return s.viaGoNFS(r, nil)
	}
	return e.Finish()
}

// putExports writes exports (RFC 1813 section 5.2.5), an export's client networks as its groups.
func (s *Server) putExports(e *rpc.Encoder) {
	for _, x := range s.exports.All() {
		e.Bool(true)
		e.Opaque([]byte(x.Name))
		for _, c := range x.Clients {
			e.Bool(true)
			e.Opaque([]byte(c.String()))
		}
		e.Bool(false)
	}
	e.Bool(false)
}

// mount finds the directory that a MNT asks for: an export, or any directory below one that no link leads through.
func (s *Server) mount(r *request) nfs.MountStatus {
	exp, rest := s.exports.ByPath(string(r.args.data))
	if exp == nil {
		return nfs.MountStatusErrNoEnt
	}
	if !exp.Allows(r.remote) {
		s.log.Warn("mount refused", "client", r.remote, "export", exp.Name)
		return nfs.MountStatusErrAcces
	}
	h, err := s.walk(path.Join(exp.Subtree, rest))
	if err != nil {
		return mountStatus(statusOf(err))
	}
	r.exp, r.root = exp, h
	s.log.Info("mount", "client", r.remote, "export", exp.Name, "path", string(r.args.data))
	return nfs.MountStatusOk
}

func mountStatus(st status) nfs.MountStatus {
	switch st {
	case nfsErrNoEnt, nfsErrNotDir, nfsErrAcces, nfsErrInval, nfsErrNameTooLong, nfsErrIO:
		return nfs.MountStatus(st)
	}
	return nfs.MountStatusErrServerFault
}

// walk leads from the root of the filesystem to the directory at a cleaned path, following no links.
func (s *Server) walk(dir string) (pmemfs.Handle, error) {
	attr, err := s.eng.Getattr(s.eng.Root())
	for name := range strings.SplitSeq(strings.Trim(dir, "/"), "/") {
		if err != nil {
			return pmemfs.Handle{}, err
		}
		if name != "" {
			attr, err = s.eng.Lookup(&superuser, attr.Handle, []byte(name))
		}
		if err == nil && attr.Type != pmemfs.TypeDir {
			err = pmemfs.ErrNotDir
		}
	}
	return attr.Handle, err
}

// isRoot reports whether dir is the root of the request's export, above which nothing is shown.
func (s *Server) isRoot(r *request, dir pmemfs.Handle) bool {
	if r.exp.Subtree == "/" {
		return dir == s.eng.Root()
	}
	root, err := s.rootOf(r.exp)
	return err == nil && root == dir
}

// rootOf is the directory that an export shows.
func (s *Server) rootOf(exp *export.Export) (pmemfs.Handle, error) { return s.walk(exp.Subtree) }
