package serverbench

import (
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"strings"
)

// Running is a server of NFS that somebody else has started. What is measured on it stays there, in a folder of its own.
type Running struct {
	Name string
	Addr string
	Root []byte // the handle of the root, for a server beside which none of MOUNT runs; nil to ask for it at Addr
}

// ParseRunning reads "NAME=HOST:PORT", or "NAME=HOST:PORT/HANDLE" with the root's handle in hexadecimal.
func ParseRunning(text string) (Running, error) {
	name, rest, found := strings.Cut(text, "=")
	addr, handle, withHandle := strings.Cut(rest, "/")
	if !found || name == "" {
		return Running{}, fmt.Errorf("%q is not NAME=HOST:PORT", text)
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return Running{}, fmt.Errorf("%q: %w", text, err)
	}
	r := Running{Name: name, Addr: addr}
	if !withHandle {
		return r, nil
	}
	var err error
	if r.Root, err = hex.DecodeString(handle); err != nil || len(r.Root) == 0 || len(r.Root) > handleMax {
		return Running{}, fmt.Errorf("%q: the handle of the root is not 1 to %d bytes in hexadecimal", text, handleMax)
	}
	return r, nil
}

// running returns the server of a name.
func (o *Options) running(name string) (Running, bool) {
	i := slices.IndexFunc(o.Running, func(r Running) bool { return r.Name == name })
	if i < 0 {
		return Running{}, false
	}
	return o.Running[i], true
}

// fillRunning adds the running servers to what can be measured, and returns that.
func (o *Options) fillRunning(targets []string) ([]string, error) {
	if len(o.Running) == 0 {
		return targets, nil
	}
	if o.Protocol != ProtocolNFS || o.Idle > 0 {
		return nil, fmt.Errorf("of servers that run already only the speed of NFS is measured")
	}
	var names []string
	for _, r := range o.Running {
		if slices.Contains(targets, r.Name) || slices.Contains(names, r.Name) {
			return nil, fmt.Errorf("there are two servers named %s", r.Name)
		}
		names = append(names, r.Name)
	}
	if len(o.Targets) == 0 {
		o.Targets = names
	}
	return append(slices.Clone(targets), names...), nil
}
