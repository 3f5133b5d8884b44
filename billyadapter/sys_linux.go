package billyadapter

import (
	"syscall"

	"pmemfs/pmemfs"
)

// Sys returns a *syscall.Stat_t with the number of links, owner, inode, device and times filled in, which is what
// programs that look behind fs.FileInfo (go-git's index, go-nfs's attributes) expect on this system.
func (i *FileInfo) Sys() any {
	a := &i.attr
	st := &syscall.Stat_t{
		Ino:  a.FileID(),
		Mode: uint32(a.Type)<<12 | a.Mode&0o7777,
		Uid:  a.UID,
		Gid:  a.GID,
		Size: i.Size(),
		Atim: syscall.NsecToTimespec(a.Atime),
		Mtim: syscall.NsecToTimespec(a.Mtime),
		Ctim: syscall.NsecToTimespec(a.Ctime),
	}
	setNumber(&st.Nlink, uint64(a.Nlink))
	setNumber(&st.Blksize, 4096)
	setNumber(&st.Blocks, (a.Used+511)/512)
	if a.Type == pmemfs.TypeChar || a.Type == pmemfs.TypeBlock {
		st.Rdev = deviceNumber(a.Major, a.Minor)
	}
	return st
}

// setNumber stores into a field whose width depends on the architecture.
func setNumber[T ~int32 | ~int64 | ~uint32 | ~uint64](p *T, v uint64) { *p = T(v) }

// deviceNumber packs a device number as glibc's makedev does.
func deviceNumber(major, minor uint32) uint64 {
	return uint64(major&0xfffff000)<<32 | uint64(major&0xfff)<<8 | uint64(minor&0xffffff00)<<12 | uint64(minor&0xff)
}
