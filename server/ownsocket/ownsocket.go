// Package ownsocket makes sockets of this machine, at a path, that only root and the user who made them can use. What is told
// over such a socket is believed.
//
// The file's mode keeps others out, from the moment that it exists. Listener and Dial look at the other side's user all the same:
// whoever can write to the folder could put a socket of their own there.
//
// The address of a socket has room for about a hundred bytes. Where the system has /proc, longer paths are reached through it.
//
// # Concurrency
//
// Everything may be called by any number of goroutines.
package ownsocket

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// ErrPeer is returned by Dial when another user listens at the path.
var ErrPeer = errors.New("the socket there belongs to another user's program")

// network is what package net calls these sockets.
const network = "unix"

// dialTime bounds the look whether anybody listens, which takes no time unless very many connect.
const dialTime = time.Second

// Listener listens at a path.
type Listener struct {
	l    *net.UnixListener
	path string
	own  fs.FileInfo // of the socket; nil if it is another program's
	once sync.Once
	err  error // of Close
}

// Listen listens at a path of any length that the filesystem takes. A socket on which nobody listens, as a program that was killed
// leaves it, is replaced.
//
// Errors: EADDRINUSE for anything else that is in the way; those of the system.
func Listen(path string) (*Listener, error) {
	if err := removeDead(path); err != nil {
		return nil, err
	}
	l, err := bind(path)
	if err != nil {
		return nil, err
	}
	own, err := os.Lstat(path)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &Listener{l: l, path: path, own: own}, nil
}

// Inherit goes on with a socket that another program, such as the manager of services, listens on. Who may connect is the same; the
// socket stays where it is after Close.
func Inherit(l *net.UnixListener) *Listener {
	l.SetUnlinkOnClose(false)
	return &Listener{l: l, path: l.Addr().String()}
}

// bind makes the socket.
func bind(path string) (*net.UnixListener, error) {
	if len(path) <= addressMax {
		return listenAt(path)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	short, ok := throughDescriptor(dir)
	if !ok {
		return nil, &net.OpError{Op: "listen", Net: network, Err: syscall.ENAMETOOLONG}
	}
	// A name that fits may be too long behind that, so it gets a short one first.
	var random [8]byte
	rand.Read(random[:]) // never fails, says its documentation
	name := "." + hex.EncodeToString(random[:])
	l, err := listenAt(filepath.Join(short, name))
	if err != nil {
		return nil, err
	}
	made := filepath.Join(filepath.Dir(path), name)
	// Unlike a rename this replaces nothing that has appeared meanwhile.
	if err := os.Link(made, path); err != nil {
		return nil, errors.Join(err, l.Close(), os.Remove(made))
	}
	if err := os.Remove(made); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// listenAt makes a socket that its owner alone can open.
func listenAt(address string) (*net.UnixListener, error) {
	defer syscall.Umask(syscall.Umask(0o177))
	l, err := net.ListenUnix(network, &net.UnixAddr{Name: address, Net: network})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // the path may lead elsewhere by then
	return l, nil
}

// removeDead removes a socket on which nobody listens. Anything else stays.
func removeDead(path string) error {
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && st.Mode()&fs.ModeSocket == 0 {
		return nil // it is in the way, as listening will tell
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialTime)
	defer cancel()
	conn, err := dial(ctx, path)
	switch {
	case err == nil:
		return errors.Join(syscall.EADDRINUSE, conn.Close())
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	}
	return err
}

// Accept waits for a connection of root or of this process's user. Others are closed.
//
// Errors: those of the listener.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		c, err := l.l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if trusted(c) == nil {
			return c, nil
		}
		_ = c.Close() // of one whom nobody answers
	}
}

// Close ends listening, and removes the socket if it is still at the path.
//
// Errors: those of the system.
func (l *Listener) Close() error {
	l.once.Do(func() {
		l.err = l.l.Close()
		if st, err := os.Lstat(l.path); err == nil && l.own != nil && os.SameFile(st, l.own) {
			l.err = errors.Join(l.err, os.Remove(l.path))
		}
	})
	return l.err
}

// Addr is the path.
func (l *Listener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: network} }

// Dial connects to the program that listens at a path. Root's and this process's user's programs are trusted, and those of others
// who are named.
//
// Errors: ErrPeer for a program of somebody else; those of the system.
func Dial(ctx context.Context, path string, others ...int) (net.Conn, error) {
	c, err := dial(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := trusted(c, others...); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func dial(ctx context.Context, path string) (*net.UnixConn, error) {
	address := path
	if len(path) > addressMax {
		f, err := openPath(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		short, ok := throughDescriptor(f)
		if !ok {
			return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ENAMETOOLONG}
		}
		address = short
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return c.(*net.UnixConn), nil // as the network asked for has no other
}

// trusted is nil if the other side is root, this process's user, or one of others.
func trusted(c *net.UnixConn, others ...int) error {
	uid, err := peerOf(c)
	if err != nil {
		return err
	}
	for _, good := range append([]int{0, os.Geteuid()}, others...) {
		if uid == good {
			return nil
		}
	}
	return fmt.Errorf("%w (user %d)", ErrPeer, uid)
}

// peerOf returns the user of the process on the other side, as it was when that connected or listened.
func peerOf(c *net.UnixConn) (uid int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlErr := raw.Control(func(fd uintptr) { uid, err = peerUser(int(fd)) })
	return uid, errors.Join(controlErr, err)
}
