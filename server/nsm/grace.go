package nsm

import "time"

// InGrace reports whether locks may only be claimed again.
func (m *Monitor) InGrace() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.inGrace(time.Now())
}

// inGrace is InGrace for a time, under mu. It ends the grace when that is due.
func (m *Monitor) inGrace(now time.Time) bool {
	if m.grace.IsZero() {
		return false
	}
	why := "every client is through"
	if !now.Before(m.grace) {
		why = "its time is over"
	} else {
		for _, x := range m.hosts {
			if x.recovering && !x.through(now, m.c.Timing.Quiet) {
				return true
			}
		}
	}
	m.log.Info("new locks are given out again", "why", why, "after", now.Sub(m.start).Round(time.Millisecond))
	m.grace = time.Time{}
	for _, x := range m.hosts {
		x.recovering = false
	}
	return false
}

// through reports whether a host has claimed locks, and none for some time.
func (x *host) through(now time.Time, quiet time.Duration) bool {
	return !x.claimed.IsZero() && now.Sub(x.claimed) >= quiet
}

// Claimed notes that a host has claimed a lock.
func (m *Monitor) Claimed(h Host) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if x := m.hosts[h]; x != nil {
		x.claimed = time.Now()
	}
}

// Asks notes that a host asks for a new lock, and reports whether it has to wait. Hosts claim one lock after the other, so one that
// asks for a new one and has claimed none for a moment has no more to claim. Less than a moment says nothing: another of its processes
// may ask in the midst of the claims.
func (m *Monitor) Asks(h Host) (wait bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if x := m.hosts[h]; x != nil && x.recovering && x.through(now, m.c.Timing.AfterClaim) {
		x.recovering = false
	}
	return m.inGrace(now)
}

// Hosts is how many hosts are told of a restart, as they have locks.
func (m *Monitor) Hosts() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.hosts)
}
