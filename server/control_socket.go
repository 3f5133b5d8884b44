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

// ControlOff is ImageConfig.Control for no socket.
const ControlOff = config.NoControl

// controlSocket is how commands about one image reach the server.
type controlSocket struct {
	l   net.Listener    // nil if nobody listens
	srv *control.Server // answers on l, and at the admin port
	why string          // nobody listens
}

// listenControl listens for commands. That the default place cannot be had is no reason not to serve: it may be on a filesystem that is
// mounted for reading. A place that was asked for is.
func (i *Image) listenControl(s *Server, c *ImageConfig) error {
	srv, err := control.NewServer(control.Config{Image: control.Image{FS: i.eng, Serving: func() control.Serving { return i.serving(s) }, Running: running{s}, Steering: s.config.Steering}, Path: c.Path, Logger: i.log})
	if err != nil {
		return err
	}
	i.control.srv = srv
	if c.Control == ControlOff {
		i.control.why = "it is turned off"
		return nil
	}
	path := c.Control
	if path == "" {
		if path, err = control.Place(c.Path, os.Geteuid()); err != nil {
			return err
		}
		err = ensureRuntimeDir(c.Path, path)
	}
	var l net.Listener
	if given := s.config.givenControl(path); given != nil {
		l, err = own(given), nil
	} else if err == nil {
		l, err = ownsocket.Listen(path)
		err = wayOutOfPath(err, path)
	}
	switch {
	case err == nil:
		i.control.l = l
	case c.Control != "":
		return fmt.Errorf("cannot listen for commands on %q: %w", path, err)
	default:
		i.control.why = err.Error()
		i.log.Warn("commands such as grow cannot reach this server: nothing can listen beside the image; --control names another place",
			"path", path, "error", err)
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
func (i *Image) serveControl(ctx context.Context) error {
	if i.control.l == nil {
		<-ctx.Done()
		return nil
	}
	return i.control.srv.Serve(ctx, i.control.l)
}

// closeControl closes the socket of a server that does not serve.
func (i *Image) closeControl() error {
	if i.control.l == nil {
		return nil
	}
	return i.control.l.Close()
}

// Control is the path of the socket for commands; empty if there is none.
func (i *Image) Control() string {
	if i.control.l == nil {
		return ""
	}
	return i.control.l.Addr().String()
}

// serving describes the server, as far as it serves the image, to commands.
func (i *Image) serving(s *Server) control.Serving {
	about := control.Serving{
		PID: os.Getpid(), StartedNS: s.started.UnixNano(), Control: i.Control(), NFS: s.Addr().String(), NineP: s.NineP(),
		MemoryBytes: s.Memory(), Counters: i.eng.Counters(),
	}
	for _, e := range i.Exports() {
		about.Exports = append(about.Exports, e.Name)
	}
	return about
}
