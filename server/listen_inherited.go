package server

import (
	"errors"
	"fmt"
	"net"
	"os"

	"pmemfs/server/control"
	"pmemfs/server/ownsocket"
	"pmemfs/server/systemd"
)

// adopt has the configuration say what sockets say that are listened on already: where they are counts, and not the addresses that it has.
//
// Errors: a socket for what the configuration turns off, or for commands about an image that is not served.
func (c *Config) adopt(given *systemd.Sockets) error {
	c.Sockets = given
	for _, each := range given.Named(systemd.NFS) {
		if each.Stream != nil {
			c.NFS = each.Stream.Addr().String()
		}
	}
	for _, each := range given.Named(systemd.Portmap) {
		if c.Finding.Register {
			return errors.New("there is a socket for the portmapper, and --register says to use the machine's: choose one")
		}
		if each.Stream != nil {
			c.Finding.Portmap = each.Stream.Addr().String()
		}
	}
	for _, each := range given.Named(systemd.Admin) {
		if c.Admin.Address == "" {
			return errors.New("there is a socket for the admin port, which --admin off turns off: choose one")
		}
		c.Admin.Address, c.Admin.Optional = each.Stream.Addr().String(), false
	}
	if nine := given.Named(systemd.NineP); len(nine) > 0 {
		c.NineP = nil
		for _, each := range nine {
			at := each.Stream.Addr()
			if _, path := at.(*net.UnixAddr); path {
				c.NineP = append(c.NineP, unixPrefix+at.String())
			} else {
				c.NineP = append(c.NineP, at.String())
			}
		}
	}
	return c.vetControl(given.Named(systemd.Control))
}

// vetControl refuses a socket for commands that no image has.
func (c *Config) vetControl(given []systemd.Socket) error {
	for _, each := range given {
		found := false
		for n := range c.Images {
			found = found || c.Images[n].Control != ControlOff && c.Images[n].controlPath() == each.Stream.Addr().String()
		}
		if !found {
			return fmt.Errorf("there is a socket for commands at %s, and no image has it: --control, or control of an image, is its path", each.Stream.Addr())
		}
	}
	return nil
}

// controlPath is where the socket for commands is to be, as far as that is known before there is an image.
func (c *ImageConfig) controlPath() string {
	if c.Control != "" {
		return c.Control
	}
	path, err := control.Place(c.Path, os.Geteuid())
	if err != nil {
		return "" // the image is missing, so nobody can have said its place
	}
	return path
}

// givenControl is the socket for commands at a path; nil if there is none.
func (c *Config) givenControl(path string) net.Listener {
	for _, each := range c.Sockets.Named(systemd.Control) {
		if each.Stream.Addr().String() == path {
			return each.Stream
		}
	}
	return nil
}

// own keeps other users out of a socket at a path.
func own(l net.Listener) net.Listener {
	if path, ok := l.(*net.UnixListener); ok {
		return ownsocket.Inherit(path)
	}
	return l
}

// listenOn listens on a socket that is there, or else at an address.
func listenOn(given []systemd.Socket, address string) (net.Listener, error) {
	if len(given) > 0 {
		return given[0].Stream, nil
	}
	return net.Listen(family("tcp", address), address)
}

// endpointAt listens on the sockets of a name, or else at an address; by UDP too if that is wanted, or there is a socket for it.
func (c *Config) endpointAt(name, address string, udp bool) (*endpoint, error) {
	given := c.Sockets.Named(name)
	if len(given) == 0 {
		return listenAt(address, udp)
	}
	p := &endpoint{}
	for _, each := range given {
		if each.Stream != nil {
			p.tcp = each.Stream
		} else {
			p.uc = each.Packet
		}
	}
	if p.uc != nil || !udp {
		return p, nil
	}
	if err := p.listenUDP(address); err != nil {
		return nil, err
	}
	return p, nil
}
