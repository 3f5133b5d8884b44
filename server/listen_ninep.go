package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"pmemfs/server/ninep"
	"pmemfs/server/ownsocket"
	"pmemfs/server/rpc"
	"pmemfs/server/systemd"
)

// unixPrefix makes an address the path of a socket.
const unixPrefix = "unix:"

// ninePExample is an address that is right.
const ninePExample = ":564 or unix:PATH"

// unixPath returns the path of a socket, "" for a TCP address.
func unixPath(address string) string {
	if path, ok := strings.CutPrefix(address, unixPrefix); ok {
		return path
	}
	if filepath.IsAbs(address) {
		return address
	}
	return ""
}

// ninePAddress is where a listener for 9P is to be: without a host, on that of NFS.
func ninePAddress(address, nfs string) (network, where string, err error) {
	if path := unixPath(address); path != "" || strings.HasPrefix(address, unixPrefix) {
		if path == "" {
			return "", "", errors.New("a socket without a path")
		}
		return "unix", path, nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", "", vetAddress(address, ninePExample)
	}
	if host == "" {
		if host, _, err = net.SplitHostPort(nfs); err == nil {
			address = net.JoinHostPort(host, port)
		}
	}
	if err == nil {
		err = vetAddress(address, ninePExample)
	}
	return "tcp", address, err
}

// ninePUsers are whom 9P knows: nil for the machine's users.
func (c *Config) ninePUsers() (ninep.Users, error) {
	if c.NinePUsers == "" {
		return nil, nil
	}
	users, err := ninep.UsersFrom(c.NinePUsers, c.Logger)
	if err != nil {
		err = fmt.Errorf("users of 9P: %w", err)
	}
	return users, err
}

// vetNineP refuses what could not work.
func (c *Config) vetNineP() error {
	if _, err := c.ninePUsers(); err != nil {
		return err
	}
	for _, address := range c.NineP {
		if _, _, err := ninePAddress(address, c.NFS); err != nil {
			return fmt.Errorf("cannot serve 9P on %q: %w", address, err)
		}
	}
	return nil
}

// nineListener is a socket on which 9P is served.
type nineListener struct {
	l   net.Listener
	srv *rpc.Server
}

// listenNineP listens wherever 9P is wanted. Nobody is answered before Serve.
func (s *Server) listenNineP(c *Config) error {
	if given := c.Sockets.Named(systemd.NineP); len(given) > 0 {
		for _, each := range given {
			s.nine = append(s.nine, nineListener{l: own(each.Stream)})
		}
		return nil
	}
	for _, address := range c.NineP {
		network, where, err := ninePAddress(address, c.NFS)
		if err == nil {
			var l net.Listener
			if l, err = listenStream(network, where); err == nil {
				s.nine = append(s.nine, nineListener{l: l})
			}
			if network == "unix" {
				err = wayOutOfPath(err, where)
			} else {
				err = wayOut(err, "--9p")
			}
		}
		if err != nil {
			return fmt.Errorf("cannot serve 9P on %q: %w", address, err)
		}
	}
	return nil
}

// answerNineP makes the sockets answer, when there is an image.
func (s *Server) answerNineP(c *Config) error {
	if len(s.nine) == 0 {
		return nil
	}
	limits := c.Limits
	limits.Record = cmp.Or(limits.Record, rpc.DefaultRecord)
	users, err := c.ninePUsers()
	if err != nil {
		return err
	}
	var images []ninep.Image
	for _, i := range s.images {
		images = append(images, ninep.Image{Engine: i.eng, Exports: i.exports, InGrace: i.inGrace, Room: i.room})
	}
	files := ninep.New(ninep.Config{Images: images, Logger: c.Logger, MessageMax: limits.Record, Users: users})
	for i := range s.nine {
		s.nine[i].srv = rpc.NewServer(rpc.Config{Session: files.Session, Logger: c.Logger, Limits: limits, Budget: s.budget, Traffic: s.traffic, Observer: s.watchers.observer()})
	}
	return nil
}

// listenStream listens on TCP, or on a socket that is its owner's alone: who can connect there is believed to be whoever he says.
func listenStream(network, where string) (net.Listener, error) {
	if network != "unix" {
		return net.Listen(family(network, where), where)
	}
	return ownsocket.Listen(where)
}

// wayOutOfPath is wayOut for the path of a socket.
func wayOutOfPath(err error, path string) error {
	st, missing := os.Lstat(path)
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && missing == nil && st.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("%w: something else than a socket is there, and stays; choose another path", err)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: another program listens there; stop that, or choose another path", err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w: sockets cannot be made in that folder by this user; choose another one", err)
	case errors.Is(err, syscall.ENOENT):
		return fmt.Errorf("%w: make the folder first", err)
	}
	return err
}

// serveNineP answers on the sockets for 9P until ctx ends, or one fails.
func (s *Server) serveNineP(ctx context.Context) error {
	each := []func(context.Context) error{func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	}}
	for _, n := range s.nine {
		each = append(each, func(ctx context.Context) error { return n.srv.Serve(ctx, n.l) })
	}
	return together(ctx, each...)
}

// closeNineP closes the sockets of a server that does not serve.
func (s *Server) closeNineP() (err error) {
	for _, n := range s.nine {
		err = errors.Join(err, n.l.Close())
	}
	return err
}

// NineP are the addresses on which 9P is served: of TCP, or paths.
func (s *Server) NineP() []string {
	list := []string{} // as JSON no null
	for _, n := range s.nine {
		list = append(list, n.l.Addr().String())
	}
	return list
}

// NinePMountLine returns the command that mounts an export by 9P on Linux from an address of NineP. Without a host of its own the
// server is called by this machine's name.
func NinePMountLine(address, export string) string {
	options := "version=9p2000.L,msize=1048576,access=user"
	if export != "/" {
		options += ",aname=" + export
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Sprintf("sudo mount -t 9p -o trans=unix,%s %s /mnt", options, address)
	}
	host := at.Addr().Unmap().WithZone("").String()
	if at.Addr().IsUnspecified() {
		host = hostname()
	}
	return fmt.Sprintf("sudo mount -t 9p -o trans=tcp,port=%d,%s %s /mnt", at.Port(), options, host)
}
