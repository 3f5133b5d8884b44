package archive

import (
	"context"
	"encoding/base64"
	"fmt"
	"unicode/utf8"

	"pmemfs/pmemfs"
)

// ListMax is how many entries of a directory a List has at most.
const ListMax = 1000

// ListRequest says which file, and which part of a directory.
type ListRequest struct {
	Path     string `json:"path" doc:"from the root"`
	Snapshot string `json:"snapshot,omitempty" doc:"as it was in this snapshot; empty for as it is now"`
	Follow   bool   `json:"follow,omitempty" doc:"a symbolic link at the end of the path is followed"`
	Entries  bool   `json:"entries,omitempty" doc:"if it is a directory, with its entries"`
	Cursor   uint64 `json:"cursor,omitempty" doc:"where to go on: next of the reply before"`
	Xattrs   bool   `json:"xattrs,omitempty" doc:"with the names of the file's own extended attributes"`
}

// File describes a file.
type File struct {
	Name    string   `json:"name" doc:"without its directory; what is no UTF-8 is replaced"`
	Bytes   string   `json:"name_base64,omitempty" doc:"the name as it is, if it is no UTF-8"`
	Type    string   `json:"type" doc:"file, dir, symlink, char, block, fifo or socket; unknown if the inode cannot be read"`
	ID      uint64   `json:"id" doc:"inode number"`
	Mode    uint32   `json:"mode" doc:"permission bits, with set-id bits and sticky"`
	Links   uint32   `json:"links" doc:"names"`
	UID     uint32   `json:"uid" doc:"owner"`
	GID     uint32   `json:"gid" doc:"group"`
	Size    uint64   `json:"size" doc:"bytes"`
	Used    uint64   `json:"used" doc:"bytes that it takes"`
	Major   uint32   `json:"major,omitempty" doc:"of a device"`
	Minor   uint32   `json:"minor,omitempty" doc:"of a device"`
	AtimeNS int64    `json:"atime_ns" doc:"last access, in nanoseconds since 1970"`
	MtimeNS int64    `json:"mtime_ns" doc:"last change of its content"`
	CtimeNS int64    `json:"ctime_ns" doc:"last change of content or attributes"`
	BtimeNS int64    `json:"btime_ns" doc:"when it was made"`
	Target  string   `json:"target,omitempty" doc:"of a symbolic link"`
	Xattrs  []string `json:"xattrs,omitempty" doc:"names of extended attributes"`
	Problem string   `json:"problem,omitempty" doc:"why the rest is missing"`
}

// RealName is the name as it is, of any bytes.
func (f *File) RealName() string {
	if b, err := base64.StdEncoding.DecodeString(f.Bytes); err == nil && f.Bytes != "" {
		return string(b)
	}
	return f.Name
}

// Listing is a file and, of a directory, a part of its entries.
type Listing struct {
	File    File   `json:"file" doc:"what is at the path"`
	Entries []File `json:"entries" doc:"of a directory, in no order that means something"`
	Next    uint64 `json:"next,omitempty" doc:"where the list goes on; 0 at its end"`
	Problem string `json:"problem,omitempty" doc:"why the list ends before its end"`
}

// words are what types are called.
var words = map[pmemfs.FileType]string{
	pmemfs.TypeRegular: "file", pmemfs.TypeDir: "dir", pmemfs.TypeSymlink: "symlink", pmemfs.TypeChar: "char", pmemfs.TypeBlock: "block", pmemfs.TypeFIFO: "fifo",
	pmemfs.TypeSocket: "socket",
}

// List describes what is at a path.
//
// Errors: pmemfs.ErrNotExist for the path or the snapshot; read errors.
func List(fs *pmemfs.FS, req ListRequest) (Listing, error) {
	p, err := existing(fs, req.Snapshot, req.Path, req.Follow)
	if err != nil {
		return Listing{}, err
	}
	name := p.name
	if name == "" {
		name = "/"
	}
	l := Listing{File: describe(fs, name, p.attr), Entries: []File{}}
	if req.Xattrs {
		names, err := fs.ListXattr(&superuser, nil, p.attr.Handle)
		if err != nil {
			l.File.Problem = err.Error()
		}
		for _, n := range names {
			l.File.Xattrs = append(l.File.Xattrs, string(n))
		}
	}
	if !req.Entries || p.attr.Type != pmemfs.TypeDir {
		return l, nil
	}
	batch, next, err := readBatch(fs, p.attr.Handle, req.Cursor, ListMax)
	for _, n := range batch {
		if !n.ok {
			n.attr, n.ok = lookupAgain(fs, p.attr.Handle, n)
		}
		f := describe(fs, n.name, n.attr)
		if !n.ok {
			f.Type, f.ID, f.Problem = "unknown", n.ino, "its inode cannot be read"
		}
		l.Entries = append(l.Entries, f)
	}
	if err != nil {
		l.Problem = "what else is in it cannot be read: " + err.Error()
	} else if len(batch) == ListMax {
		l.Next = next
	}
	return l, nil
}

func lookupAgain(fs *pmemfs.FS, dir pmemfs.Handle, n named) (pmemfs.Attr, bool) {
	a, err := fs.Lookup(&superuser, nil, dir, []byte(n.name))
	return a, err == nil
}

// describe says what is known of a file.
func describe(fs *pmemfs.FS, name string, a pmemfs.Attr) File {
	f := File{
		Name: name, Type: words[a.Type], ID: a.Ino, Mode: a.Mode, Links: a.Nlink, UID: a.UID, GID: a.GID, Size: a.Size, Used: a.Used, Major: a.Major, Minor: a.Minor,
		AtimeNS: a.Atime, MtimeNS: a.Mtime, CtimeNS: a.Ctime, BtimeNS: a.Btime,
	}
	if !utf8.ValidString(name) {
		f.Bytes = base64.StdEncoding.EncodeToString([]byte(name))
	}
	if a.Type == pmemfs.TypeSymlink {
		target, err := fs.Readlink(nil, a.Handle)
		if f.Target = string(target); err != nil {
			f.Problem = err.Error()
		}
	}
	return f
}

// RemoveRequest says what to remove.
type RemoveRequest struct {
	Path      string `json:"path" doc:"from the root; a symbolic link at its end is removed itself"`
	Recursive bool   `json:"recursive,omitempty" doc:"a directory with all that is in it"`
}

// RemoveReply says what was removed.
type RemoveReply struct {
	Removed uint64 `json:"removed" doc:"names"`
}

// Remove removes a file, or a directory with all that is in it. When it fails, what it has removed until then is gone. Durable on return.
//
// Errors: pmemfs.ErrIsDir for a directory without Recursive; pmemfs.ErrInvalid for the root; those of Unlink and Rmdir; that of ctx.
func Remove(ctx context.Context, fs *pmemfs.FS, req RemoveRequest) (RemoveReply, error) {
	var reply RemoveReply
	p, err := existing(fs, "", req.Path, false)
	switch {
	case err != nil:
		return reply, err
	case p.name == "":
		return reply, &PathError{req.Path, fmt.Errorf("%w: name the file in its directory; the root directory cannot be removed", pmemfs.ErrInvalid)}
	case p.attr.Type == pmemfs.TypeDir && !req.Recursive:
		return reply, &PathError{req.Path, pmemfs.ErrIsDir}
	}
	if err := remove(ctx, fs, p.dir, p.name, p.attr, &reply); err != nil {
		return reply, &PathError{req.Path, err}
	}
	return reply, nil
}

func remove(ctx context.Context, fs *pmemfs.FS, dir pmemfs.Handle, name string, a pmemfs.Attr, reply *RemoveReply) error {
	if a.Type == pmemfs.TypeDir {
		for cookie := uint64(0); ; {
			batch, next, err := readBatch(fs, a.Handle, cookie, batchMax)
			if err != nil {
				return err
			}
			for _, n := range batch {
				if !n.ok {
					if n.attr, err = fs.Lookup(&superuser, nil, a.Handle, []byte(n.name)); err != nil {
						return &PathError{n.name, err}
					}
				}
				if err := remove(ctx, fs, a.Handle, n.name, n.attr, reply); err != nil {
					return err
				}
			}
			if len(batch) < batchMax {
				break
			}
			cookie = next
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// Not what has come to have the name meanwhile.
	call := pmemfs.Call{Expected: a.Handle}
	err := fs.Unlink
	if a.Type == pmemfs.TypeDir {
		err = fs.Rmdir
	}
	if err := err(&superuser, &call, dir, []byte(name)); err != nil {
		return &PathError{name, err}
	}
	reply.Removed++
	return nil
}
