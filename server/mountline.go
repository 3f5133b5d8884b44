package server

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
)

// MountLine is a command that mounts an export on one kind of client.
type MountLine struct {
	System  string // "Linux" or "macOS"
	Command string
}

// MountLines returns the commands that mount export name from a server at addr: with locks if clients find the server by a
// portmapper, which the lock manager is always looked for by. A server that listens on all addresses is called by this machine's name.
func MountLines(addr netip.AddrPort, name string, found bool) []MountLine {
	host := addr.Addr().WithZone("").String()
	if addr.Addr().IsUnspecified() {
		host = hostname()
	} else if addr.Addr().Is6() {
		host = "[" + host + "]"
	}
	if found {
		return []MountLine{
			{"Linux", fmt.Sprintf("sudo mount -t nfs -o vers=3,tcp %s:%s /mnt", host, name)},
			{"macOS", fmt.Sprintf("sudo mount_nfs -o vers=3,tcp %s:%s /tmp/mnt", host, name)},
		}
	}
	port := strconv.Itoa(int(addr.Port()))
	return []MountLine{
		{"Linux", fmt.Sprintf("sudo mount -t nfs -o vers=3,nolock,tcp,port=%s,mountport=%s %s:%s /mnt", port, port, host, name)},
		{"macOS", fmt.Sprintf("sudo mount_nfs -o vers=3,tcp,nolocks,port=%s,mountport=%s %s:%s /tmp/mnt", port, port, host, name)},
	}
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil || net.ParseIP(name) != nil || name == "" {
		return "SERVER"
	}
	return name
}
