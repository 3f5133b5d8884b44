package ninep

import (
	"errors"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
)

// version begins a session anew (version(5)): what is under way is ended and answered first, and all fids are gone. It is answered in place, so
// that nothing else of the session is under way then. A version with an extension behind a dot is answered by the one without.
func (c *call) version() errno {
	msize, v := c.d.u32(), string(c.d.str())
	if !c.d.done() {
		return eProto
	}
	c.s.finish()
	c.s.reset()
	c.s.msize.Store(0)
	if msize < msizeMin {
		return eInval
	}
	msize = min(msize, c.s.srv.msize)
	put32(c.e, msize)
	if v != version && !strings.HasPrefix(v, version+".") {
		putStr(c.e, []byte(unknown))
		return ok
	}
	c.s.msize.Store(msize)
	putStr(c.e, []byte(version))
	return ok
}

// auth is refused: who can connect is believed. Clients take this number for "not needed".
func (c *call) auth() errno { return eNoEnt }

// flush answers when the request that it is about has been: with an answer, as if there were no Tflush, or, if it waited for a lock,
// with an error. Several of one request are answered in their order, since the client takes the last one's answer for all (flush(5)).
func (c *call) flush() errno {
	c.d.u16()
	if !c.d.done() {
		return eProto
	}
	if c.p != nil && c.p.flushes != nil {
		c.s.flush(c.p.flushes)
		if c.p.behind != nil {
			c.s.await(c.p.behind)
		}
	}
	return ok
}

// attach makes a fid of the directory of an export, or of one below it that the user may enter. The log has it either way, as it has the
// mounts of NFS.
func (c *call) attach() errno {
	id, afid := c.d.u32(), c.d.u32()
	uname, aname := string(c.d.str()), string(c.d.str())
	uid := c.d.u32()
	c.r.Counted.Name, c.r.Counted.User = []byte(aname), uid
	if !c.d.done() {
		return eProto
	}
	if afid != noFid {
		return eBadF // there are none, as there is no Tauth
	}
	f, no := c.attached(aname, uname, uid)
	if no != ok {
		why, said := whyRefused[no]
		if !said {
			why = no.Error()
		}
		c.s.srv.log.Warn("attach refused", "client", c.s.client, "path", cut(aname), "why", why)
		return no
	}
	a := pmemfs.Attr{Handle: f.h, Type: f.typ} // now, as another request may give the fid up at once
	if no := c.s.add(id, f); no != ok {
		return errnoOf(errors.Join(no, c.s.srv.unuse(f)))
	}
	c.s.srv.log.Info("attach", "client", c.s.client, "export", c.exp.Name, "path", cut(aname))
	putQid(c.e, &a)
	return ok
}

// whyRefused says for the log why an attach was refused.
var whyRefused = map[errno]string{
	eNoEnt:    "no export or directory has this path",
	eIO:       "the directory cannot be read",
	eAccess:   "the export is not for this client, or the directory not for this user",
	eNotDir:   "it is no directory",
	eNameLong: "the path, or a name in it, is too long",
}

// logMax bounds a client's string in the log, in bytes.
const logMax = 64

// cut is a client's string as it is logged.
func cut(text string) string { return text[:min(len(text), logMax)] }

// attached leads to the directory at a path, and returns a fid of it for a user.
func (c *call) attached(path, uname string, uid uint32) (*fid, errno) {
	if len(path) > export.PathMax {
		return nil, eNameLong
	}
	image, exp, rest := c.s.srv.exports.ByPath(path)
	switch {
	case exp == nil:
		return nil, eNoEnt
	case !exp.Allows(c.s.remote):
		return nil, eAccess
	}
	c.img, c.exp = c.s.srv.images[image], exp
	c.r.Counted.Export = exp.Counted()
	u := c.s.srv.identify(uname, uid)
	u.client = c.s.remote.Addr()
	c.as(u)
	a, err := c.img.exports.Root(exp)
	exp.Bound(&c.call)
	for name := range strings.SplitSeq(rest, "/") {
		if err == nil && name != "" {
			a, err = c.img.eng.Lookup(&c.cred, &c.call, a.Handle, []byte(name))
		}
		if err == nil && a.Type != pmemfs.TypeDir {
			err = pmemfs.ErrNotDir
		}
	}
	if err != nil {
		return nil, c.status(err)
	}
	return newFid(&fid{user: u, img: c.img, exp: exp.ID(), root: a.Handle}, a.Handle, a.Type), ok
}

// Users knows the groups of users, and their numbers, as the protocol names users and not groups.
type Users interface {
	// ByName returns the number of a user.
	ByName(name string) (uid uint32, known bool)
	// Groups returns the groups of a user, the first one apart.
	Groups(uid uint32) (gid uint32, others []uint32, known bool)
}

// identify returns whom a client says it is: by number, else by name, else nobody in particular. Who is not known here has
// no groups but the one that a request names.
func (s *Server) identify(name string, uid uint32) *owner {
	if uid == noUID {
		var known bool
		if uid, known = s.byName(name); !known || uid == noUID {
			return &owner{anonymous: true}
		}
	}
	u := &owner{uid: uid, gid: export.Anonymous}
	if gid, others, known := s.users.Groups(uid); known && gid != noUID {
		others = slices.DeleteFunc(slices.Clone(others), func(g uint32) bool { return g == noUID })
		u.gid, u.groups = gid, others[:min(len(others), groupsMax)]
	} else if uid == 0 {
		u.gid = 0
	}
	return u
}

func (s *Server) byName(name string) (uid uint32, known bool) {
	if uid, known := s.users.ByName(name); known {
		return uid, true
	}
	if name == "root" {
		return 0, true
	}
	n, err := strconv.ParseUint(name, 10, 32)
	return uint32(n), err == nil && uint32(n) != noUID
}

// groupsMax is how many groups of a user count.
const groupsMax = 1024

// systemUsers are the users of the machine.
type systemUsers struct{}

// ByName looks a user up.
func (systemUsers) ByName(name string) (uid uint32, known bool) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, false
	}
	return number(u.Uid)
}

// Groups looks a user's groups up.
func (systemUsers) Groups(uid uint32) (gid uint32, others []uint32, known bool) {
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return 0, nil, false
	}
	if gid, known = number(u.Gid); !known {
		return 0, nil, false
	}
	list, err := u.GroupIds()
	if err != nil {
		return gid, nil, true
	}
	for _, g := range list {
		if n, isNumber := number(g); isNumber {
			others = append(others, n)
		}
	}
	return gid, others, true
}

func number(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil
}
