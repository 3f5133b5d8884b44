package nsm

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/server/peer"
)

// Number is the RPC program number of the status monitor.
const Number = 100024

// NameMax is the longest name of a host, in bytes: what a DNS name can have.
const NameMax = 255

// hostsMax bounds the hosts; those of one network may be no more than are left over.
const hostsMax = 2048

// networkOf is the network by which hosts are counted: 24 bits of an IPv4 address, 48 of another. Whoever can have many addresses has them
// there, and would otherwise leave no room to others.
func networkOf(a netip.Addr) netip.Prefix {
	bits := 48
	if a = a.Unmap().WithZone(""); a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil { // the zero value, which Watch refuses
		return netip.Prefix{}
	}
	return p
}

var (
	// ErrName is returned for a name that no host has.
	ErrName = errors.New("nsm: no name of a host")
	// ErrFull is returned when there are too many hosts, or too many at one address.
	ErrFull = errors.New("nsm: too many hosts")
)

// Host is a client: where it is, and what it calls itself.
type Host struct {
	Addr netip.Addr
	Name string
}

// String is for logs.
func (h Host) String() string { return fmt.Sprintf("%s (%v)", h.Name, h.Addr) }

// Config is what a Monitor needs. All but Logger, Name, Grace and Timing are needed.
type Config struct {
	Engine  *pmemfs.FS
	Peers   *peer.Caller
	Crashed func(Host)      // called when a host has lost its locks; it may take locks of its own
	Holds   func(Host) bool // whether a host has locks, or waits for some
	Name    string          // of this machine, as clients know it
	Grace   time.Duration   // how long locks can be claimed after a restart; 0 for not at all
	State   uint32          // the new state number, if it is higher than the image's next; see NextState
	Logger  *slog.Logger    // nil for none

	Timing Timing
}

// Timing is how long things take. A zero field means the default.
type Timing struct {
	Quiet      time.Duration // of a host that has claimed locks, until it is through; 10 seconds
	AfterClaim time.Duration // after a claim, until a new lock that the host asks for says that it is through; 2 seconds
	Idle       time.Duration // without locks, until a host is forgotten; a minute
	GiveUp     time.Duration // until hosts that do not answer are given up; 15 minutes
	Retry      time.Duration // until a host is told again, the first time; 2 seconds
	Tick       time.Duration // of the background; a second
	Answer     time.Duration // how long a client may take for an answer; 10 seconds
}

// WithDefaults returns t without zero fields.
func (t Timing) WithDefaults() Timing {
	return Timing{
		Quiet:      cmp.Or(t.Quiet, 10*time.Second),
		AfterClaim: cmp.Or(t.AfterClaim, 2*time.Second),
		Idle:       cmp.Or(t.Idle, time.Minute),
		GiveUp:     cmp.Or(t.GiveUp, 15*time.Minute),
		Retry:      cmp.Or(t.Retry, 2*time.Second),
		Tick:       cmp.Or(t.Tick, time.Second),
		Answer:     cmp.Or(t.Answer, 10*time.Second),
	}
}

// Monitor knows the hosts that have locks.
type Monitor struct {
	c     Config
	log   *slog.Logger
	start time.Time

	writing sync.Mutex // orders changes of the image
	mu      sync.Mutex
	state   uint32
	saved   bool // the image has the state number
	hosts   map[Host]*host
	at      map[netip.Addr]int   // hosts by address
	near    map[netip.Prefix]int // hosts by network
	grace   time.Time            // when it ends; zero if it has
}

// host is what is known of a Host.
type host struct {
	local netip.Addr // the address of this machine that it knows, with the interface as its zone if there is one to know
	state uint32     // its state number; 0 if that is not known
	used  time.Time  // when it last asked for a lock
	saved bool       // in the image

	// Of hosts that were known at the start:
	recovering bool      // not through yet
	told       bool      // it has answered our NOTIFY, or is not to be told
	claimed    time.Time // when it last claimed a lock; zero if never
	tries      int
	next       time.Time // when to tell it again
}

// Open reads the hosts from the image and begins a new state. If the image cannot take the new state number now it is asked
// again.
//
// Errors: those of pmemfs.FS.Keys and of pmemfs.FS.Value.
func Open(c Config) (*Monitor, error) {
	c.Timing = c.Timing.WithDefaults()
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	m := &Monitor{c: c, log: c.Logger, start: time.Now(), hosts: map[Host]*host{}, at: map[netip.Addr]int{}, near: map[netip.Prefix]int{}}
	if err := m.load(); err != nil {
		return nil, err
	}
	if len(m.hosts) > 0 && c.Grace > 0 {
		m.grace = m.start.Add(c.Grace)
		m.log.Info("locks can be claimed again; new ones have to wait", "hosts", len(m.hosts), "at_most", c.Grace)
	}
	m.writing.Lock()
	defer m.writing.Unlock()
	if err := m.saveState(); err != nil {
		m.log.Warn("no locks are given out until the image takes a new state number", "error", err)
	}
	return m, nil
}

// hereOf is the end of a route that is on this machine.
func hereOf(r peer.Route) netip.Addr { return r.Local.WithZone(r.Zone) }

// saveState makes the new state number durable, before anybody hears of it: clients that heard of the same one twice would not claim
// their locks. The caller holds writing.
func (m *Monitor) saveState() error {
	if m.isSaved() {
		return nil
	}
	if err := m.c.Engine.PutValue(stateKey, binary.LittleEndian.AppendUint32(nil, m.state)); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saved = true
	return nil
}

func (m *Monitor) isSaved() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.saved
}

// State is the number of this incarnation of the server: odd, and higher than all before.
func (m *Monitor) State() uint32 { return m.state }

// Watch is called before a host is given a lock, with the state number that it says it has, 0 for none. After it the image says that
// the host is to be told of a restart; at most one fence. ErrName, ErrFull, or an error of the engine: then it gets no lock.
func (m *Monitor) Watch(h Host, r peer.Route, state uint32) error {
	if h.Name == "" || len(h.Name) > NameMax || !h.Addr.IsValid() {
		return ErrName
	}
	if known, restarted := m.meet(h, r, state); known {
		if restarted {
			m.crashed(h)
		}
		return nil
	}
	m.writing.Lock()
	defer m.writing.Unlock()
	if err := m.saveState(); err != nil {
		return err
	}
	if known, restarted := m.meet(h, r, state); known {
		if restarted {
			m.crashed(h)
		}
		return nil
	}
	if err := m.admit(h, r, state); err != nil {
		return err
	}
	if err := m.c.Engine.PutValue(keyOf(h), encode(h, hereOf(r), state)); err != nil {
		return errors.Join(err, m.drop(h, false))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hosts[h].saved = true
	return nil
}

// meet notes that a host, if it is in the image, asks for a lock. restarted says that it has another state number than before: it
// has lost what locks it had, and its NOTIFY has not arrived, or will be taken for a repetition.
func (m *Monitor) meet(h Host, r peer.Route, state uint32) (known, restarted bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	x := m.hosts[h]
	if x == nil || !x.saved || !m.saved {
		return false, false
	}
	x.used, x.local = time.Now(), hereOf(r)
	if state == 0 || state == x.state {
		return true, false
	}
	restarted = x.state != 0 && int32(state-x.state) > 0
	x.state = state
	return true, restarted
}

// admit adds a host in memory.
func (m *Monitor) admit(h Host, r peer.Route, state uint32) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.hosts)+m.near[networkOf(h.Addr)]+2 > hostsMax {
		return ErrFull
	}
	m.hosts[h] = &host{local: hereOf(r), state: state, used: time.Now(), told: true}
	m.count(h, 1)
	return nil
}

// drop forgets a host, and what the image may have of it. The caller holds writing. After an error it is still known.
func (m *Monitor) drop(h Host, saved bool) error {
	if saved {
		if err := m.c.Engine.DeleteValue(keyOf(h)); err != nil && !errors.Is(err, pmemfs.ErrNotExist) {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.hosts, h)
	m.count(h, -1)
	return nil
}

// count adds n to the numbers of hosts at h's address and in its network. mu is held.
func (m *Monitor) count(h Host, n int) {
	if m.at[h.Addr] += n; m.at[h.Addr] == 0 {
		delete(m.at, h.Addr)
	}
	network := networkOf(h.Addr)
	if m.near[network] += n; m.near[network] == 0 {
		delete(m.near, network)
	}
}

// crashed has the locks of a host dropped.
func (m *Monitor) crashed(h Host) {
	m.log.Info("a client was restarted: its locks are dropped", "client", h.String())
	m.c.Peers.Forget(h.Addr)
	m.c.Crashed(h)
}
