package nsm

import (
	"net/netip"
	"strings"
	"time"

	"pmemfs/server/rpc"
	"pmemfs/server/traffic"
)

const version = 1

// Procedures.
const (
	procNull       = 0
	procStat       = 1
	procMon        = 2
	procUnmon      = 3
	procUnmonAll   = 4
	procSimuCrash  = 5
	procNotify     = 6
	procedureCount = 7
)

const (
	stringMax = 1024 // SM_MAXSTRLEN
	privBytes = 16
	statFail  = 1 // res: monitored by nobody
)

// Program is the monitor as the transport knows it.
func (m *Monitor) Program() rpc.Program {
	return rpc.Program{Number: Number, Low: version, High: version, Datagrams: true, Counted: traffic.NSM, Serve: m.serve}
}

// ProgramOf is the program of monitors that are one host to clients, each of an image: all hear of a client's restart, and have the same state number.
func ProgramOf(monitors ...*Monitor) rpc.Program {
	p := monitors[0].Program()
	p.Serve = func(r *rpc.Request, e *rpc.Encoder) (result rpc.Result) {
		if r.Proc != procNotify {
			return monitors[0].serve(r, e)
		}
		for _, m := range monitors { // none of which appends anything
			if result = m.serve(r, e); result != rpc.Success {
				return result // of the first already: what decides is in the call
			}
		}
		return result
	}
	return p
}

// serve answers one call.
func (m *Monitor) serve(r *rpc.Request, e *rpc.Encoder) rpc.Result {
	if r.Proc >= procedureCount {
		return rpc.ProcUnavail
	}
	a, ok := decodeArgs(r.Proc, r.Args)
	switch {
	case !ok:
		return rpc.GarbageArgs
	case r.Proc == procNotify && !r.MayWait:
		return rpc.Wait // for the table of locks, and for those that it wakes
	}
	switch r.Proc {
	case procStat, procMon: // sm_stat_res: nobody is monitored for others
		e.Uint32(statFail)
		e.Uint32(m.state)
	case procUnmon, procUnmonAll:
		e.Uint32(m.state) // sm_stat: nothing is left to be undone
	case procSimuCrash: // a user of another machine, or of this one, is not to take clients' locks away
		return rpc.ProcUnavail
	case procNotify:
		if rpc.Forgeable(r) {
			return rpc.Reject(rpc.AuthTooWeak)
		}
		m.heard(r.Remote.Addr(), a.name, a.state)
	}
	return rpc.Success
}

// arguments are those of STAT, MON and NOTIFY that count.
type arguments struct {
	name  string
	state uint32
}

// decodeArgs reads a procedure's arguments.
func decodeArgs(proc uint32, args []byte) (a arguments, ok bool) {
	d := rpc.NewDecoder(args)
	switch proc {
	case procStat, procNotify, procMon, procUnmon:
		a.name = string(d.Opaque(stringMax))
	}
	switch proc {
	case procMon, procUnmon, procUnmonAll: // my_id
		d.Opaque(stringMax)
		for range 3 {
			d.Uint32()
		}
	case procNotify:
		a.state = d.Uint32()
	}
	if proc == procMon {
		d.Fixed(privBytes)
	}
	return a, d.Done()
}

// heard takes in that a host at an address has been restarted, if it is one that is known and that is news.
func (m *Monitor) heard(from netip.Addr, name string, state uint32) {
	h, ok := m.sender(from, name)
	if !ok {
		m.log.Debug("a restart of a host that is not known here", "from", from.String(), "name", name)
		return
	}
	m.mu.Lock()
	x := m.hosts[h]
	news := x != nil && x.state != state
	if news {
		x.state, x.used = state, time.Now()
		x.recovering, x.told = false, true // it has nothing to claim
	}
	m.mu.Unlock()
	if news {
		m.crashed(h)
	}
}

// sender finds the host that a NOTIFY is from.
func (m *Monitor) sender(from netip.Addr, name string) (found Host, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at[from] == 0 {
		return found, false
	}
	var all, named []Host
	for h := range m.hosts {
		if h.Addr != from {
			continue
		}
		all = append(all, h)
		if strings.EqualFold(h.Name, name) {
			return h, true
		}
		if strings.EqualFold(label(h.Name), label(name)) {
			named = append(named, h)
		}
	}
	switch {
	case len(named) == 1:
		return named[0], true
	case len(named) == 0 && len(all) == 1:
		return all[0], true
	}
	return found, false
}

// label is the part of a name before its first dot.
func label(name string) string { first, _, _ := strings.Cut(name, "."); return first }
