package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"pmemfs/server/config"
	"pmemfs/server/control"
	"pmemfs/server/ownsocket"
)

// ControlOff is Config.Control for no socket.
const ControlOff = config.NoControl

// controlSocket is how commands reach the server.
type controlSocket struct {
	l   net.Listener // nil if nobody listens
	srv *control.Server
	why string // nobody listens
}

// listenControl listens for commands. That the default place cannot be had is no reason not to serve: it may be on a filesystem that is
// mounted for reading. A place that was asked for is.
func (s *Server) listenControl(c *Config) error {
	if c.Control == ControlOff {
		s.control.why = "it is turned off"
		return nil
	}
	srv, err := control.NewServer(control.Config{Image: control.Image{FS: s.eng, Serving: s.serving}, Path: c.Image, Logger: c.Logger})
	if err != nil {
		return err
	}
	path := c.Control
	if path == "" {
		if path, err = control.Place(c.Image, os.Geteuid()); err != nil {
			return err
		}
		err = ensureRuntimeDir(c.Image, path)
	}
	var l net.Listener
	if err == nil {
		l, err = ownsocket.Listen(path)
		err = wayOutOfPath(err, path)
	}
	switch {
	case err == nil:
		s.control = controlSocket{l: l, srv: srv}
	case c.Control != "":
		return fmt.Errorf("cannot listen for commands on %q: %w", path, err)
	default:
		s.control.why = err.Error()
		s.log.Warn("commands such as grow cannot reach this server: nothing can listen beside the image; --control names another place",
			"path", path, "err", err)
	}
	return nil
}

// ensureRuntimeDir makes the folder of devices' sockets, which is gone after each boot.
func ensureRuntimeDir(image, path string) error {
	st, err := os.Stat(image)
	if err != nil || st.Mode()&os.ModeDevice == 0 {
		return err
	}
	err = os.Mkdir(filepath.Dir(path), 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// serveControl answers commands until ctx ends.
func (s *Server) serveControl(ctx context.Context) error {
	if s.control.l == nil {
		<-ctx.Done()
		return nil
	}
	return s.control.srv.Serve(ctx, s.control.l)
}

// closeControl closes the socket of a server that does not serve.
func (s *Server) closeControl() error {
	if s.control.l == nil {
		return nil
	}
	return s.control.l.Close()
}

// Control is the path of the socket for commands; empty if there is none.
func (s *Server) Control() string {
	if s.control.l == nil {
		return ""
	}
	return s.control.l.Addr().String()
}

// serving describes the server to commands.
func (s *Server) serving() control.Serving {
	about := control.Serving{
		PID: os.Getpid(), StartedNS: s.started.UnixNano(), Control: s.Control(), NFS: s.Addr().String(), NineP: s.NineP(),
		MemoryBytes: s.Memory(), Counters: s.eng.Counters(),
	}
	for _, e := range s.Exports() {
		about.Exports = append(about.Exports, e.Name)
	}
	return about
}
