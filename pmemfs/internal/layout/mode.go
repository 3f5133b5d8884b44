package layout

// Type bits of Inode.Mode, as in stat(2). They are part of the medium.
const (
	ModeType    = 0xf000
	ModeFIFO    = 0x1000
	ModeChar    = 0x2000
	ModeDir     = 0x4000
	ModeBlock   = 0x6000
	ModeRegular = 0x8000
	ModeSymlink = 0xa000
	ModeSocket  = 0xc000
)

// Permission bits of Inode.Mode, as in chmod(2). They are part of the medium.
const (
	ModePerm      = 0o7777 // all of them
	ModeSetUID    = 0o4000
	ModeSetGID    = 0o2000
	ModeSticky    = 0o1000
	ModeUserAll   = 0o700
	ModeGroupAll  = 0o070
	ModeOtherAll  = 0o007
	ModeGroupExec = 0o010
	ModeAnyExec   = 0o111
)

// KillSetID clears the set-id bits that a change of content or owner takes away: setuid, and setgid of a file that its group can
// execute.
func (in Inode) KillSetID() {
	mode := in.Mode() &^ ModeSetUID
	if mode&ModeGroupExec != 0 {
		mode &^= ModeSetGID
	}
	in.SetMode(mode)
}
