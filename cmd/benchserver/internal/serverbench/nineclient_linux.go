package serverbench

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// nineMessage is the message size that is asked for: room for a megabyte of data and a head.
const nineMessage = 1<<20 + 4096

// nineRoot is the fid of what was attached to, on every connection.
const nineRoot uint32 = 0

// nineClient makes one request after the other, to prepare what is measured. Fids belong to a connection, so a handle is the path of a
// file. It belongs to one goroutine.
type nineClient struct {
	fd   int
	most int // bytes of data in a message
}

// dialNine connects and attaches to what a server exports under a name.
func dialNine(addr, export string) (*nineClient, error) {
	fd, err := connect(addr)
	if err != nil {
		return nil, err
	}
	c := &nineClient{fd: fd}
	if err := c.begin(export); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *nineClient) close() error { return unix.Close(c.fd) }

// begin agrees on the version and attaches as the superuser.
func (c *nineClient) begin(export string) error {
	answer, err := c.do(tVersion, uint32(nineMessage), nineVersion)
	if err != nil {
		return fmt.Errorf("version: %w", err)
	}
	if len(answer) < 6 || string(answer[6:]) != nineVersion {
		return fmt.Errorf("it does not speak %s: %q", nineVersion, answer)
	}
	c.most = int(le.Uint32(answer)) - ioHead
	if c.most < 1 {
		return errOdd
	}
	if _, err := c.do(tAttach, nineRoot, uint32(noFid), "root", export, uint32(0)); err != nil {
		return fmt.Errorf("attach to %q: %w", export, err)
	}
	return nil
}

// null asks for something that costs nothing.
func (c *nineClient) null() error {
	_, err := c.do(tGetattr, nineRoot, uint64(getattrBasic))
	return err
}

// do sends a request and returns the fields of its answer.
func (c *nineClient) do(kind uint8, fields ...any) ([]byte, error) {
	return c.doData(kind, nil, fields...)
}

// doData is do for a request with data.
func (c *nineClient) doData(kind uint8, data []byte, fields ...any) ([]byte, error) {
	request := append(nineCall(kind, len(data), fields...), data...)
	if kind == tVersion {
		le.PutUint16(request[markBytes+1:], 1<<16-1) // NOTAG
	}
	if err := sendAll(c.fd, request); err != nil {
		return nil, err
	}
	var mark [markBytes]byte
	if err := c.receive(mark[:]); err != nil {
		return nil, err
	}
	n := le.Uint32(mark[:])
	if n < markBytes+nineHead || n > recordMax {
		return nil, errOdd
	}
	answer := make([]byte, n-markBytes)
	if err := c.receive(answer); err != nil {
		return nil, err
	}
	switch {
	case answer[0] == rLerror && len(answer) >= nineHead+4:
		if no := syscall.Errno(le.Uint32(answer[nineHead:])); no != syscall.ENOENT {
			return nil, no
		}
		return nil, errNotThere
	case answer[0] != kind+1:
		return nil, fmt.Errorf("answer %d to request %d", answer[0], kind)
	}
	return answer[nineHead:], nil
}

// receive fills b.
func (c *nineClient) receive(b []byte) error {
	for len(b) > 0 {
		n, err := unix.Read(c.fd, b)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return fmt.Errorf("receive: %w", err)
		case n == 0:
			return io.ErrUnexpectedEOF
		}
		b = b[n:]
	}
	return nil
}

// walk makes a fid that of the file at a path from what was attached to.
func (c *nineClient) walk(fid uint32, path string) error {
	names := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	fields := []any{nineRoot, fid, uint16(len(names))}
	for _, name := range names {
		fields = append(fields, name)
	}
	answer, err := c.do(tWalk, fields...)
	switch {
	case err != nil:
		return err
	case len(answer) != 2+int(le.Uint16(answer))*qidBytes:
		return errOdd
	case int(le.Uint16(answer)) < len(names):
		return errNotThere
	}
	return nil
}

// open makes a fid that of an open file. Flags are those of open(2) on Linux.
func (c *nineClient) open(fid uint32, path string, flags uint32) error {
	if err := c.walk(fid, path); err != nil {
		return err
	}
	_, err := c.do(tLopen, fid, flags)
	return err
}

// with does something with a fid that is new, and gives it up.
func (c *nineClient) with(use func(fid uint32) error) error {
	const fid uint32 = 1
	err := use(fid)
	if _, clunk := c.do(tClunk, fid); err == nil {
		err = clunk
	}
	return err
}

func join(dir []byte, name string) []byte { return []byte(string(dir) + "/" + name) }

func (c *nineClient) makeFile(dir []byte, name string) ([]byte, error) {
	err := c.with(func(fid uint32) error {
		if err := c.walk(fid, string(dir)); err != nil {
			return err
		}
		_, err := c.do(tLcreate, fid, name, uint32(unix.O_RDWR), uint32(0o644), uint32(0))
		return err
	})
	return join(dir, name), err
}

func (c *nineClient) makeDir(dir []byte, name string) ([]byte, error) {
	err := c.with(func(fid uint32) error {
		if err := c.walk(fid, string(dir)); err != nil {
			return err
		}
		_, err := c.do(tMkdir, fid, name, uint32(0o755), uint32(0))
		return err
	})
	return join(dir, name), err
}

func (c *nineClient) unlink(dir []byte, name string) error {
	return c.with(func(fid uint32) error {
		if err := c.walk(fid, string(dir)); err != nil {
			return err
		}
		_, err := c.do(tUnlinkat, fid, name, uint32(0))
		return err
	})
}

func (c *nineClient) lookup(dir []byte, name string) ([]byte, error) {
	path := join(dir, name)
	if err := c.walk(1, string(path)); err != nil {
		return nil, err
	}
	_, err := c.do(tClunk, uint32(1))
	return path, err
}

// identity is the path of the file's qid: as walks and attributes have it.
func (c *nineClient) identity(handle []byte) (id []byte, err error) {
	err = c.with(func(fid uint32) error {
		if err := c.walk(fid, string(handle)); err != nil {
			return err
		}
		answer, err := c.do(tGetattr, fid, uint64(getattrBasic))
		if err == nil && len(answer) < 8+qidBytes {
			err = errOdd
		}
		if err == nil {
			id = answer[8+qidPathAt : 8+qidBytes]
		}
		return err
	})
	return id, err
}

func (c *nineClient) read(handle []byte, offset uint64, n int) (data []byte, err error) {
	err = c.with(func(fid uint32) error {
		if err := c.open(fid, string(handle), unix.O_RDONLY); err != nil {
			return err
		}
		for len(data) < n {
			answer, err := c.do(tRead, fid, offset+uint64(len(data)), uint32(min(n-len(data), c.most)))
			if err != nil {
				return err
			}
			if len(answer) <= 4 || len(answer) != 4+int(le.Uint32(answer)) {
				return errOdd
			}
			data = append(data, answer[4:]...)
		}
		return nil
	})
	return data, err
}

func (c *nineClient) write(handle []byte, offset uint64, data []byte) error {
	return c.with(func(fid uint32) error {
		if err := c.open(fid, string(handle), unix.O_WRONLY); err != nil {
			return err
		}
		for len(data) > 0 {
			piece := data[:min(len(data), c.most)]
			answer, err := c.doData(tWrite, piece, fid, offset, uint32(len(piece)))
			if err != nil {
				return err
			}
			if len(answer) != 4 || int(le.Uint32(answer)) != len(piece) {
				return errOdd
			}
			offset, data = offset+uint64(len(piece)), data[len(piece):]
		}
		return nil
	})
}
