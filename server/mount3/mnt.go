package mount3

import (
	"errors"
	"net/netip"
	"path"
	"strings"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/handle"
	"pmemfs/server/rpc"
)

// Values of mountstat3 (RFC 1813 section 5.1.5).
const (
	mntOK             = 0
	mntErrNoEnt       = 2
	mntErrIO          = 5
	mntErrAcces       = 13
	mntErrNotDir      = 20
	mntErrInval       = 22
	mntErrNameTooLong = 63
	mntErrServerFault = 10006
)

// mnt answers MNT (RFC 1813 section 5.2.1) of an export or of any directory below one. The way to the export's own
// directory is the administrator's choice; below it the caller needs the permission to go there, since a handle, once given
// out, is not asked how it was come by.
func (s *Server) mnt(remote netip.AddrPort, dir string, c *caller, e *rpc.Encoder) {
	x, attr, status := s.find(remote, dir, c)
	e.Uint32(status)
	if status != mntOK {
		s.log.Warn("mount refused", "client", remote.String(), "path", dir, "status", status)
		return
	}
	var buf [handle.Bytes]byte
	e.Opaque(s.handles.Append(buf[:0], x.ID(), attr.Handle))
	// The flavors that are served, the one to prefer first; with AUTH_NONE everybody is anonymous.
	e.Uint32(2)
	e.Uint32(rpc.AuthSys)
	e.Uint32(rpc.AuthNone)
	s.mounts.add(hostOf(remote), cleaned(dir))
	s.log.Info("mount", "client", remote.String(), "export", x.Name, "path", dir)
}

// find leads to the directory that a client may mount by a name.
func (s *Server) find(remote netip.AddrPort, dir string, c *caller) (*export.Export, pmemfs.Attr, uint32) {
	var none pmemfs.Attr
	switch {
	case dir == "":
		return nil, none, mntErrNoEnt
	case strings.ContainsRune(dir, 0):
		return nil, none, mntErrInval
	}
	x, rest := s.exports.Load().ByPath(dir)
	if x == nil {
		return nil, none, mntErrNoEnt
	}
	if !x.Allows(remote) {
		return nil, none, mntErrAcces
	}
	attr, err := s.exports.Root(x)
	if err == nil && rest != "" {
		attr, err = s.descend(c.on(x), attr, rest)
	}
	return x, attr, statusOf(err)
}

// descend goes from a directory to one below it, as a user, following no symbolic links. The path is cleaned, so it does not
// lead up.
func (s *Server) descend(user pmemfs.Cred, attr pmemfs.Attr, rest string) (pmemfs.Attr, error) {
	for name := range strings.SplitSeq(rest, "/") {
		var err error
		if attr, err = s.eng.Lookup(&user, attr.Handle, []byte(name)); err != nil {
			return attr, err
		}
		if attr.Type != pmemfs.TypeDir {
			return attr, pmemfs.ErrNotDir
		}
	}
	return attr, nil
}

// statusOf maps the engine's errors to mountstat3.
func statusOf(err error) uint32 {
	switch {
	case err == nil:
		return mntOK
	case errors.Is(err, pmemfs.ErrNotExist), errors.Is(err, pmemfs.ErrStale): // stale: removed on the way
		return mntErrNoEnt
	case errors.Is(err, pmemfs.ErrNotDir):
		return mntErrNotDir
	case errors.Is(err, pmemfs.ErrAccess):
		return mntErrAcces
	case errors.Is(err, pmemfs.ErrNameTooLong):
		return mntErrNameTooLong
	case errors.Is(err, pmemfs.ErrIO):
		return mntErrIO
	}
	return mntErrServerFault
}

// cleaned is the one name under which the list of mounts has a path.
func cleaned(dir string) string { return path.Clean("/" + dir) }
