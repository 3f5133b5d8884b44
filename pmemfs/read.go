package pmemfs

import (
	"errors"

	"pmemfs/pmemfs/internal/data"
	"pmemfs/pmemfs/internal/layout"
)

// vetRegular returns an error unless in is a regular file.
func vetRegular(in layout.Inode) error {
	switch in.Mode() & layout.ModeType {
	case layout.ModeRegular:
		return nil
	case layout.ModeDir:
		return ErrIsDir
	}
	return ErrInvalid
}

// writable returns the inode of a regular file that c may write to. Its stripe is held.
func (fs *FS) writable(c *Cred, call *Call, h Handle) (layout.Inode, error) {
	in, err := fs.inodes.Get(nil, h.Ino, h.Gen)
	if err != nil {
		return nil, err
	}
	call.setPost(0, in)
	if err := vetRegular(in); err != nil {
		return nil, err
	}
	return in, fs.allowData(c, call, in, AccessWrite)
}

// Read fills p from byte offset off and says whether the end of the file was reached. Read permission is needed; the
// owner always has it here, as with NFS servers: what an open checks is Access. It allocates nothing and costs no
// fence; the access time stays. Without an error and the end of the file, n is less than len(p) only where a block that
// cannot be read follows.
//
// Errors: ErrIsDir and ErrInvalid for what is no regular file; ErrAccess; read errors, with a *ChecksumError in the chain of an ErrIO for
// data that is damaged.
func (fs *FS) Read(c *Cred, call *Call, h Handle, p []byte, off uint64) (n int, eof bool, err error) {
	n, eof, err = fs.read(c, call, h, p, off)
	if err != nil && len(p) > 0 && damaged(err) {
		return fs.readBefore(c, call, h, p, off)
	}
	return n, eof, err
}

func (fs *FS) read(c *Cred, call *Call, h Handle, p []byte, off uint64) (n int, eof bool, err error) {
	err = fs.view(call, h, func(in layout.Inode) error {
		if err := vetRegular(in); err != nil {
			return err
		}
		if err := fs.allowData(c, call, in, AccessRead); err != nil {
			return err
		}
		size := in.Size()
		if off >= size {
			eof = true
			return nil
		}
		p := p[:min(uint64(len(p)), size-off)]
		if err := data.Read(fs.j, in, p, off); err != nil {
			return err
		}
		n, eof = len(p), off+uint64(len(p)) == size
		return nil
	})
	return n, eof, err
}

// readBefore reads block by block what lies before the first one that cannot be read, whose error it returns when that is
// the first of all.
func (fs *FS) readBefore(c *Cred, call *Call, h Handle, p []byte, off uint64) (n int, eof bool, err error) {
	for n < len(p) && !eof {
		at := off + uint64(n)
		end := min(len(p), n+int(layout.BlockSize-at%layout.BlockSize))
		m := 0
		if m, eof, err = fs.read(c, call, h, p[n:end], at); err != nil {
			switch {
			case errors.Is(err, ErrWouldBlock):
				n = 0
			case n > 0:
				err = nil
			}
			return n, false, err
		}
		n += m
	}
	return n, eof, nil
}

// Readlink returns a copy of a symbolic link's target. It costs no fence.
//
// Errors: ErrInvalid for what is no symbolic link; read errors.
func (fs *FS) Readlink(call *Call, h Handle) (target []byte, err error) {
	err = fs.view(call, h, func(in layout.Inode) error {
		inline := in.Flags()&layout.FlagInlineTarget != 0
		switch {
		case in.Mode()&layout.ModeType != layout.ModeSymlink:
			return ErrInvalid
		case in.Size() > SymlinkMax || inline && in.Size() > layout.InlineSize:
			return layout.ErrDamaged
		}
		target = make([]byte, in.Size())
		if inline {
			copy(target, in.Inline())
			return nil
		}
		return data.Read(fs.j, in, target, 0)
	})
	return target, err
}
