package ninep_test

import "pmemfs/server/ninetest"

// samples are the fields of a good request of each kind, as far as the fids are there.
func samples() map[uint8][]byte {
	const fid, newFid = uint32(0), uint32(50)
	u32 := func(n uint32) uint32 { return n }
	times := ninetest.Raw(make([]byte, 32))
	return map[uint8][]byte{
		ninetest.Version:     ninetest.Args(u32(8192), "9P2000.L"),
		ninetest.Auth:        ninetest.Args(newFid, "root", "/", u32(0)),
		ninetest.Attach:      ninetest.Args(newFid, ninetest.NoFid, "root", "/", u32(0)),
		ninetest.Flush:       ninetest.Args(uint16(1)),
		ninetest.Walk:        ninetest.Args(fid, newFid, uint16(2), "a", "b"),
		ninetest.Clunk:       ninetest.Args(fid),
		ninetest.Remove:      ninetest.Args(fid),
		ninetest.Statfs:      ninetest.Args(fid),
		ninetest.Lopen:       ninetest.Args(fid, u32(2)),
		ninetest.Lcreate:     ninetest.Args(fid, "f", u32(2), u32(0o644), u32(0)),
		ninetest.Symlink:     ninetest.Args(fid, "l", "target", u32(0)),
		ninetest.Mknod:       ninetest.Args(fid, "p", u32(0o10644), u32(0), u32(0), u32(0)),
		ninetest.Rename:      ninetest.Args(fid, fid, "g"),
		ninetest.Readlink:    ninetest.Args(fid),
		ninetest.Getattr:     ninetest.Args(fid, uint64(0x7ff)),
		ninetest.Setattr:     ninetest.Args(fid, u32(1), u32(0o700), u32(0), u32(0), uint64(0), times),
		ninetest.Xattrwalk:   ninetest.Args(fid, newFid, "user.a"),
		ninetest.Xattrcreate: ninetest.Args(fid, "user.a", uint64(3), u32(0)),
		ninetest.Readdir:     ninetest.Args(fid, uint64(0), u32(4096)),
		ninetest.Fsync:       ninetest.Args(fid, u32(0)),
		ninetest.Lock:        ninetest.Args(fid, uint8(1), u32(0), uint64(0), uint64(0), u32(7), "client"),
		ninetest.Getlock:     ninetest.Args(fid, uint8(1), uint64(0), uint64(0), u32(7), "client"),
		ninetest.Link:        ninetest.Args(fid, fid, "h"),
		ninetest.Mkdir:       ninetest.Args(fid, "d", u32(0o755), u32(0)),
		ninetest.Renameat:    ninetest.Args(fid, "a", fid, "b"),
		ninetest.Unlinkat:    ninetest.Args(fid, "a", u32(0)),
		ninetest.Read:        ninetest.Args(fid, uint64(0), u32(100)),
		ninetest.Write:       ninetest.Args(fid, uint64(0), u32(3), ninetest.Raw("abc")),
	}
}
