package server

import (
	"net/http"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/safego"
	"pmemfs/server/metrics"
	"pmemfs/server/rpc"
)

// metrics is what Prometheus asks.
func (s *Server) metrics() http.Handler {
	return metrics.New(metrics.Config{Version: s.config.Version, Revision: s.config.Revision, Traffic: s.traffic, Server: s.measure, Images: s.measureImages}).Handler()
}

// measure is how the server is.
func (s *Server) measure() metrics.Server {
	u := s.budget.Usage()
	m := metrics.Server{State: s.stage().String(), MemoryLimit: s.budget.Bytes(), Waiting: u.Waiting, Working: u.Working, Panics: safego.Panics(), Certificates: s.certificates()}
	for _, p := range u.Parts {
		m.Memory = append(m.Memory, metrics.Part(p))
	}
	for _, h := range u.Holders {
		m.Holders = append(m.Holders, metrics.Holder(h))
	}
	s.watchers.measure(&m)
	for _, srv := range s.rpcServers() {
		t := srv.Tally()
		c := &m.Connections
		c.Ended, c.Lost, c.Junk, c.Cut, c.Evicted, c.Refused = c.Ended+t.Ended, c.Lost+t.Lost, c.Junk+t.Junk, c.Cut+t.Cut, c.Evicted+t.Evicted, c.Refused+t.Refused
	}
	return m
}

// rpcServers are those behind the listeners.
func (s *Server) rpcServers() (list []*rpc.Server) {
	for _, p := range []*endpoint{s.nfs, s.portmap} {
		if p != nil {
			list = append(list, p.srv)
		}
	}
	for _, n := range s.nine {
		list = append(list, n.srv)
	}
	return list
}

// measureImages is how the images are.
func (s *Server) measureImages() (list []metrics.Image) {
	for _, i := range s.images {
		list = append(list, i.measure())
	}
	return list
}

// measure is how the image is. What cannot be read is left out: the engine reports it.
func (i *Image) measure() metrics.Image {
	m := metrics.Image{
		Name: i.path, Info: i.eng.Info(), Counters: i.eng.Counters(), Activity: i.eng.Activity(), Media: i.eng.MediaErrors(), Locks: i.eng.LockUsage(), Grace: i.inGrace(),
	}
	if held, err := i.eng.SnapshotSpace(); err == nil {
		m.Held = held
	}
	snapshots, _ := i.eng.SnapshotIndex()
	m.Snapshots = len(snapshots)
	if err := i.eng.Failure(); err != nil {
		m.Failure = err.Error()
	}
	if i.locks != nil {
		m.Hosts = i.locks.Hosts()
	}
	if i.native != nil {
		m.Hits, m.Misses, m.Entries = i.native.Duplicates()
	}
	for _, st := range i.snapshots.States() {
		m.Schedules = append(m.Schedules, metrics.Schedule{Name: st.Prefix, Every: st.Every, Last: st.Last, Failing: st.Failing})
	}
	scrubs, _ := i.scrubs.get()
	m.ScrubDue = scrubs.due(m.Info.Scrub, time.Unix(0, m.Info.Created))
	m.Quotas = i.limited()
	return m
}

// limited are accounts with limits, of the first accounts that there are.
func (i *Image) limited() (list []pmemfs.Quota) {
	read := 0
	// Where accounting is off, or cannot be read, there are none to show.
	_ = i.eng.Quotas(0, func(q pmemfs.Quota) bool {
		if q.QuotaLimits != (pmemfs.QuotaLimits{}) {
			list = append(list, q)
		}
		read++
		return read < metrics.QuotasRead && len(list) < metrics.QuotasShown
	})
	return list
}
