package mount3

import (
	"net/netip"
	"slices"
	"sync"

	"pmemfs/server/rpc"
)

// listMax bounds the list of mounts. At worst it takes, and DUMP answers with, a little more than a megabyte.
const listMax = 1000

// mountList is who has mounted what, the oldest mount first. It is information for people, as RFC 1813 section 5.2.2 says:
// clients crash without UMNT, and others mount more than is kept. The zero value is empty.
type mountList struct {
	mu   sync.Mutex
	list []mounted
}

// mounted is an entry of mountlist (RFC 1813 section 5.2.2).
type mounted struct{ host, dir string }

// hostOf is how the list calls a client: by its address, whatever the port.
func hostOf(remote netip.AddrPort) string {
	if !remote.IsValid() {
		return "unknown"
	}
	host := remote.Addr().Unmap().String()
	return host[:min(len(host), nameMax)] // a zone may be of any length
}

// add notes a mount. The same one again counts once. When there are too many, the oldest one of the host that has most goes.
func (l *mountList) add(host, dir string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := mounted{host, dir}
	if slices.Contains(l.list, m) {
		return
	}
	if len(l.list) == listMax {
		most := l.greediest(host)
		i := slices.IndexFunc(l.list, func(m mounted) bool { return m.host == most })
		l.list = slices.Delete(l.list, i, i+1)
	}
	l.list = append(l.list, m)
}

// greediest is the host with most entries, one for host counted already; of several the one with the oldest.
func (l *mountList) greediest(host string) (most string) {
	counts := map[string]int{host: 1}
	for _, m := range l.list {
		counts[m.host]++
	}
	for _, m := range l.list {
		if most == "" || counts[m.host] > counts[most] {
			most = m.host
		}
	}
	return most
}

// remove forgets one mount of a client, if it is there (UMNT, RFC 1813 section 5.2.3).
func (l *mountList) remove(host, dir string) {
	l.forget(func(m mounted) bool { return m == mounted{host, dir} })
}

// removeAll forgets all mounts of a client (UMNTALL, RFC 1813 section 5.2.4).
func (l *mountList) removeAll(host string) {
	l.forget(func(m mounted) bool { return m.host == host })
}

func (l *mountList) forget(gone func(mounted) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = slices.DeleteFunc(l.list, gone)
}

// encode writes mountlist, as far as it is about a host: the addresses of others are not its business.
func (l *mountList) encode(host string, e *rpc.Encoder) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.list {
		if m.host != host {
			continue
		}
		e.Bool(true)
		e.Opaque([]byte(m.host))
		e.Opaque([]byte(m.dir))
	}
	e.Bool(false)
}
