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
	"pmemfs/server/traffic"
)

// mountStat is mountstat3 (RFC 1813 section 5.1.5).
type mountStat uint32

// Its values.
const (
	mntOK             mountStat = 0
	mntErrNoEnt       mountStat = 2
	mntErrIO          mountStat = 5
	mntErrAcces       mountStat = 13
	mntErrNotDir      mountStat = 20
	mntErrInval       mountStat = 22
	mntErrNameTooLong mountStat = 63
	mntErrServerFault mountStat = 10006
)

// whyRefused says for the log why a mount was refused.
var whyRefused = map[mountStat]string{
	mntErrNoEnt:       "no export or directory has this path",
	mntErrIO:          "the directory cannot be read",
	mntErrAcces:       "the export is not for this client, or the directory not for this user",
	mntErrNotDir:      "it is no directory",
	mntErrInval:       "the path leads through too many symbolic links",
	mntErrNameTooLong: "a name in the path is too long",
	mntErrServerFault: "a fault of the server",
}

// mnt answers MNT (RFC 1813 section 5.2.1) of an export or of any directory below one. The way to the export's own
// directory is the administrator's choice; below it the caller needs the permission to go there, since a handle, once given
// out, is not asked how it was come by.
func (s *Server) mnt(r *rpc.Request, dir string, c export.Caller, e *rpc.Encoder) {
	remote := r.Remote
	r.Counted.Name = []byte(dir)
	dir, _, _ = strings.Cut(dir, "\x00")
	image, x, attr, status := s.find(remote, dir, c)
	e.Uint32(uint32(status))
	r.Counted.Status = traffic.Status(status)
	if x != nil {
		r.Counted.Export = x.Counted()
	}
	if status != mntOK {
		s.log.Warn("mount refused", "client", remote.String(), "path", cut(dir), "why", whyRefused[status])
		return
	}
	var buf [handle.Bytes]byte
	e.Opaque(image.Handles.Append(buf[:0], x.ID(), attr.Handle))
	// The flavors that are served, the one to prefer first; with AUTH_NONE everybody is anonymous.
	e.Uint32(2)
	e.Uint32(rpc.AuthSys)
	e.Uint32(rpc.AuthNone)
	s.mounts.add(hostOf(remote), cleaned(dir))
	s.log.Info("mount", "client", remote.String(), "export", x.Name, "path", cut(dir))
}

// find leads to the directory that a client may mount by a name, in one of the images.
func (s *Server) find(remote netip.AddrPort, dir string, c export.Caller) (*Image, *export.Export, pmemfs.Attr, mountStat) {
	var none pmemfs.Attr
	if dir == "" {
		return nil, nil, none, mntErrNoEnt
	}
	n, x, rest := s.exports.ByPath(dir)
	if x == nil {
		return nil, nil, none, mntErrNoEnt
	}
	if !x.Allows(remote) {
		return nil, nil, none, mntErrAcces
	}
	image := &s.images[n]
	attr, err := image.Exports.Root(x)
	if err == nil && rest != "" {
		attr, err = image.descend(x, x.Cred(c), attr, rest)
	}
	return image, x, attr, statusOf(err)
}

// cut is a client's string as it is logged.
func cut(text string) string { return text[:min(len(text), logMax)] }

// logMax bounds a client's string in the log, in bytes.
const logMax = 64

// linksMax is how many symbolic links a path may lead through, as in Linux (MAXSYMLINKS).
const linksMax = 40

// errLoop is returned for a path that leads through too many links.
var errLoop = errors.New("mount3: too many symbolic links")

// descend goes from an export's directory along a path below it, as a user. What ".." in the target of a link leads to is where the way has
// come from, and so never above the export.
func (i *Image) descend(x *export.Export, user pmemfs.Cred, top pmemfs.Attr, rest string) (pmemfs.Attr, error) {
	var call pmemfs.Call
	x.Bound(&call)
	way, left, links := []pmemfs.Attr{top}, strings.Split(rest, "/"), 0
	for len(left) > 0 {
		name := left[0]
		left = left[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			way = way[:max(len(way)-1, 1)]
			continue
		}
		attr, err := i.Engine.Lookup(&user, &call, way[len(way)-1].Handle, []byte(name))
		if err != nil {
			return attr, err
		}
		switch attr.Type {
		case pmemfs.TypeDir:
			way = append(way, attr)
			continue
		case pmemfs.TypeSymlink:
		default:
			return attr, pmemfs.ErrNotDir
		}
		if links++; links > linksMax {
			return attr, errLoop
		}
		target, err := i.Engine.Readlink(nil, attr.Handle)
		if err != nil {
			return attr, err
		}
		if strings.HasPrefix(string(target), "/") {
			way = way[:1]
		}
		left = append(strings.Split(string(target), "/"), left...)
	}
	return way[len(way)-1], nil
}

// statusOf maps the engine's errors to mountstat3.
func statusOf(err error) mountStat {
	switch {
	case err == nil:
		return mntOK
	case errors.Is(err, pmemfs.ErrNotExist), errors.Is(err, pmemfs.ErrStale): // stale: removed on the way
		return mntErrNoEnt
	case errors.Is(err, pmemfs.ErrNotDir):
		return mntErrNotDir
	case errors.Is(err, pmemfs.ErrAccess):
		return mntErrAcces
	case errors.Is(err, errLoop):
		return mntErrInval
	case errors.Is(err, pmemfs.ErrNameTooLong):
		return mntErrNameTooLong
	case errors.Is(err, pmemfs.ErrIO):
		return mntErrIO
	}
	return mntErrServerFault
}

// cleaned is the one name under which the list of mounts has a path.
func cleaned(dir string) string { return path.Clean("/" + dir) }
