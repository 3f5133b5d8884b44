package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// What a socket may be for, by its FileDescriptorName.
const (
	NFS     = "nfs"     // of TCP, and perhaps one of UDP
	Portmap = "portmap" // likewise
	NineP   = "9p"      // of TCP, or at a path; any number
	Admin   = "admin"   // of TCP
	Control = "control" // at a path; one for each image
)

// names are all of them.
var names = []string{NFS, Portmap, NineP, Admin, Control}

// Socket is one that the manager listens on.
type Socket struct {
	Name   string
	Stream net.Listener // nil for one of datagrams
	Packet *net.UDPConn
}

// Sockets are those that this process was started with. nil has none.
type Sockets struct{ list []Socket }

// firstDescriptor is the number of the first socket (SD_LISTEN_FDS_START).
const firstDescriptor = 3

// Inherited takes the sockets that this process was started with, which nobody has then any more. foreign reports that the environment tells of
// sockets, and that they are another process's.
//
// Errors: sockets that are not told what they are for, or cannot be that; none is kept then.
func Inherited() (s *Sockets, foreign bool, err error) {
	told := told{pid: os.Getenv("LISTEN_PID"), count: os.Getenv("LISTEN_FDS"), names: os.Getenv("LISTEN_FDNAMES")}
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		if err := os.Unsetenv(name); err != nil { // a child would take them for its own
			return nil, false, err
		}
	}
	return told.take(firstDescriptor)
}

// told is what the environment tells of sockets.
type told struct{ pid, count, names string }

// take makes sockets of descriptors, of which first is the first.
func (t told) take(first int) (s *Sockets, foreign bool, err error) {
	if t.pid == "" && t.count == "" {
		return nil, false, nil
	}
	pid, err := strconv.Atoi(t.pid)
	if err != nil {
		return nil, false, fmt.Errorf("LISTEN_PID is %q, which is no process", t.pid)
	}
	if pid != os.Getpid() {
		return nil, true, nil
	}
	n, err := strconv.Atoi(t.count)
	if err != nil || n < 1 {
		return nil, false, fmt.Errorf("LISTEN_FDS is %q: there is no socket", t.count)
	}
	called := strings.Split(t.names, ":")
	if t.names == "" || len(called) != n {
		return nil, false, fmt.Errorf("LISTEN_FDNAMES is %q, and there are %d sockets: FileDescriptorName= says what each is for: %s", t.names, n, strings.Join(names, ", "))
	}
	s = &Sockets{}
	for i, name := range called {
		socket, err := adopt(first+i, name)
		if err != nil {
			return nil, false, errors.Join(fmt.Errorf("inherited socket %q (descriptor %d): %w", name, first+i, err), s.Close())
		}
		s.list = append(s.list, socket)
	}
	return s, false, s.vet()
}

// adopt makes a socket of a descriptor.
func adopt(fd int, name string) (s Socket, err error) {
	s.Name = name
	if !slices.Contains(names, name) {
		return s, fmt.Errorf("it has no such name: FileDescriptorName= is one of %s", strings.Join(names, ", "))
	}
	kind, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_TYPE)
	if err != nil {
		return s, fmt.Errorf("it is no socket: %w", err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		return s, err
	}
	_, path := at.(*syscall.SockaddrUnix)
	if err := suits(name, kind, path); err != nil {
		return s, err
	}
	syscall.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), name)
	defer f.Close() // what is made of it has a descriptor of its own
	if kind == syscall.SOCK_DGRAM {
		pc, err := net.FilePacketConn(f)
		if err != nil {
			return s, err
		}
		s.Packet = pc.(*net.UDPConn) // as its address is no path
		return s, nil
	}
	if on, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN); err == nil && on == 0 {
		return s, errors.New("nobody listens on it: Accept=no is the way to pass it")
	}
	s.Stream, err = net.FileListener(f)
	return s, err
}

// suits refuses a type or an address that what the socket is for does not have.
func suits(name string, kind int, path bool) error {
	switch {
	case kind != syscall.SOCK_STREAM && kind != syscall.SOCK_DGRAM:
		return errors.New("it is neither of streams nor of datagrams")
	case kind == syscall.SOCK_DGRAM && name != NFS && name != Portmap:
		return errors.New("it is of datagrams; ListenStream= makes one of streams")
	case kind == syscall.SOCK_DGRAM && path:
		return errors.New("it is of datagrams at a path; ListenDatagram= takes an address")
	case path && name != NineP && name != Control:
		return errors.New("it is at a path; ListenStream= takes an address and a port")
	case !path && name == Control:
		return errors.New("it is not at a path, which keeps other users out")
	}
	return nil
}

// vet refuses more sockets than one for what there is one of.
func (s *Sockets) vet() error {
	for _, name := range []string{NFS, Portmap, Admin} {
		streams, packets := 0, 0
		for _, each := range s.Named(name) {
			if each.Stream != nil {
				streams++
			} else {
				packets++
			}
		}
		if streams > 1 || packets > 1 || packets > streams {
			return errors.Join(fmt.Errorf("inherited sockets %q: %d of streams and %d of datagrams; one of streams has to be there, and of each there is one at most", name, streams, packets), s.Close())
		}
	}
	return nil
}

// Named are the sockets of a name.
func (s *Sockets) Named(name string) (list []Socket) {
	if s == nil {
		return nil
	}
	for _, each := range s.list {
		if each.Name == name {
			list = append(list, each)
		}
	}
	return list
}

// Close closes all sockets.
//
// Errors: those of the sockets, joined.
func (s *Sockets) Close() (err error) {
	if s == nil {
		return nil
	}
	for _, each := range s.list {
		if each.Stream != nil {
			err = errors.Join(err, each.Stream.Close())
		} else {
			err = errors.Join(err, each.Packet.Close())
		}
	}
	return err
}
