package layout

import (
	"syscall"
	"testing"
)

// TestSpecModes compares the mode bits with what POSIX and Linux have fixed, which SPEC.md refers to as S_IFMT and permissions.
func TestSpecModes(t *testing.T) {
	for name, c := range map[string][2]int{
		"S_IFMT": {ModeType, syscall.S_IFMT}, "S_IFIFO": {ModeFIFO, syscall.S_IFIFO}, "S_IFCHR": {ModeChar, syscall.S_IFCHR},
		"S_IFDIR": {ModeDir, syscall.S_IFDIR}, "S_IFBLK": {ModeBlock, syscall.S_IFBLK}, "S_IFREG": {ModeRegular, syscall.S_IFREG},
		"S_IFLNK": {ModeSymlink, syscall.S_IFLNK}, "S_IFSOCK": {ModeSocket, syscall.S_IFSOCK}, "S_ISUID": {ModeSetUID, syscall.S_ISUID},
		"S_ISGID": {ModeSetGID, syscall.S_ISGID}, "S_ISVTX": {ModeSticky, syscall.S_ISVTX},
		"permissions": {ModePerm, syscall.S_ISUID | syscall.S_ISGID | syscall.S_ISVTX | 0o777},
		"rwx of each": {ModeUserAll | ModeGroupAll | ModeOtherAll, 0o777}, "x of all": {ModeAnyExec, 0o111}, "x of the group": {ModeGroupExec, 0o010},
	} {
		if c[0] != c[1] {
			t.Errorf("%s is %#o, expected %#o", name, c[0], c[1])
		}
	}
}

// TestKillSetID takes set-id bits away as a write by somebody else does.
func TestKillSetID(t *testing.T) {
	in := make(Inode, InodeSize)
	for mode, want := range map[uint16]uint16{
		ModeRegular | 0o755: ModeRegular | 0o755, ModeRegular | 0o4755: ModeRegular | 0o755, ModeRegular | 0o6755: ModeRegular | 0o755,
		ModeRegular | 0o2745: ModeRegular | 0o2745, ModeRegular | 0o7711: ModeRegular | 0o1711,
	} {
		in.SetMode(mode)
		if in.KillSetID(); in.Mode() != want {
			t.Errorf("%#o becomes %#o, expected %#o", mode, in.Mode(), want)
		}
	}
}
