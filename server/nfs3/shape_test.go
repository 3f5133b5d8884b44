package nfs3_test

import (
	"errors"
	"fmt"

	"pmemfs/server/handle"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// shapes are the results of each procedure, after the status, of a success and of a failure (RFC 1813 section 3.3):
//
//	F fattr3        a post_op_attr  w wcc_data      H post_op_fh3   h nfs_fh3       s filename3, nfspath3
//	4 uint32        8 uint64        D data, counted twice before     R, P entries of READDIR, READDIRPLUS
var shapes = [nfswire.ProcCount]struct{ ok, failure string }{
	nfswire.ProcGetattr:     {"F", ""},
	nfswire.ProcSetattr:     {"w", "w"},
	nfswire.ProcLookup:      {"haa", "a"},
	nfswire.ProcAccess:      {"a4", "a"},
	nfswire.ProcReadlink:    {"as", "a"},
	nfswire.ProcRead:        {"aD", "a"},
	nfswire.ProcWrite:       {"w448", "w"},
	nfswire.ProcCreate:      {"Haw", "w"},
	nfswire.ProcMkdir:       {"Haw", "w"},
	nfswire.ProcSymlink:     {"Haw", "w"},
	nfswire.ProcMknod:       {"Haw", "w"},
	nfswire.ProcRemove:      {"w", "w"},
	nfswire.ProcRmdir:       {"w", "w"},
	nfswire.ProcRename:      {"ww", "ww"},
	nfswire.ProcLink:        {"aw", "aw"},
	nfswire.ProcReaddir:     {"a8R", "a"},
	nfswire.ProcReaddirPlus: {"a8P", "a"},
	nfswire.ProcFsstat:      {"a8888884", "a"},
	nfswire.ProcFsinfo:      {"a44444448444", "a"},
	nfswire.ProcPathconf:    {"a444444", "a"},
	nfswire.ProcCommit:      {"w8", "w"},
}

// wellFormed returns an error unless reply is exactly what the results of a procedure look like.
func wellFormed(proc uint32, reply []byte) error {
	d := rpc.NewDecoder(reply)
	shape := shapes[proc].ok
	if proc != nfswire.ProcNull {
		if st := d.Uint32(); st != 0 {
			shape = shapes[proc].failure
		}
	}
	for _, letter := range shape {
		if err := field(d, letter); err != nil {
			return fmt.Errorf("%c: %w", letter, err)
		}
	}
	if !d.Done() {
		return fmt.Errorf("%d bytes are left, or some are missing", len(d.Rest()))
	}
	return nil
}

func field(d *rpc.Decoder, letter rune) error {
	switch letter {
	case 'F':
		if typ := d.Uint32(); typ < nfswire.TypeRegular || typ > nfswire.TypeFIFO {
			return fmt.Errorf("a type of %d", typ)
		}
		d.Fixed(nfswire.FattrBytes - 4)
	case 'a':
		if d.Bool() {
			return field(d, 'F')
		}
	case 'w':
		if d.Bool() {
			d.Fixed(24)
		}
		return field(d, 'a')
	case 'H':
		if d.Bool() {
			return field(d, 'h')
		}
	case 'h':
		if fh := d.Opaque(nfswire.HandleMax); len(fh) != handle.Bytes {
			return fmt.Errorf("a handle of %d bytes", len(fh))
		}
	case 's':
		d.Opaque(nfswire.PathMax)
	case '4':
		d.Uint32()
	case '8':
		d.Uint64()
	case 'D':
		n := d.Uint32()
		d.Bool()
		if data := d.Opaque(1 << 20); uint32(len(data)) != n {
			return fmt.Errorf("%d bytes of data, said to be %d", len(data), n)
		}
	case 'R', 'P':
		return entries(d, letter == 'P')
	}
	return nil
}

func entries(d *rpc.Decoder, plus bool) error {
	for d.Bool() {
		ino, name, cookie := d.Uint64(), d.Opaque(nfswire.NameMax), d.Uint64()
		if ino == 0 || len(name) == 0 || cookie == 0 {
			return errors.New("an entry of nothing")
		}
		if plus {
			if err := field(d, 'a'); err != nil {
				return err
			}
			if err := field(d, 'H'); err != nil {
				return err
			}
		}
	}
	d.Bool()
	return nil
}
