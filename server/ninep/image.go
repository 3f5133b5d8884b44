package ninep

import (
	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/handle"
	"pmemfs/server/rpc"
)

// Image is what is served: one of those of a server.
type Image struct {
	Engine  *pmemfs.FS
	Exports *export.Table
	// InGrace reports whether locks can only be claimed again by clients of another protocol; nil for never.
	InGrace func() bool
	Room    *rpc.Room // in which requests wait; nil for none of its own
}

// image is an Image as requests use it. A fid has the one in which its file is, and a session may have fids of several.
type image struct {
	eng     *pmemfs.FS
	exports *export.Table
	grace   func() bool
	room    *rpc.Room
	fsid    uint64
	cheap   bool // a change does not wait for a system call
}

func newImage(i *Image) *image {
	codec := handle.New(i.Engine)
	m := &image{eng: i.Engine, exports: i.Exports, grace: i.InGrace, room: i.Room, fsid: codec.FSID(), cheap: i.Engine.CheapFence()}
	if m.grace == nil {
		m.grace = func() bool { return false }
	}
	return m
}
