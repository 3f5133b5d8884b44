package server

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pmemfs/server/export"
	"pmemfs/server/quotas"
	"pmemfs/server/schedule"
)

// Restart is a setting of a new configuration that counts at the next start.
type Restart struct {
	Image     string // path of the image that it is of; empty for a setting of the whole server
	Key       string // as the configuration file calls it
	Now, Next string // what it is, and what it is to be
}

// Config is the configuration in force. It is the caller's.
func (s *Server) Config() Config {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	c := s.config
	c.Images = slices.Clone(c.Images)
	return c
}

// Reload goes by another configuration as far as that can be done while the server serves: it serves other exports, from the next request on,
// goes by other schedules of snapshots and scrubs, by other limits, and sets quotas. Connections stay. Clients find files of an export that is gone stale, until it is back. A schedule
// whose prefix stays goes on where it was. What counts at the next start only is returned. It may be called by any goroutine while the server serves.
//
// Errors: a configuration that Open would refuse, and an export that would allow changes of an image that is open for reading only. Nothing has
// changed then.
func (s *Server) Reload(next Config) ([]Restart, error) {
	if err := next.adopt(s.config.Sockets); err != nil {
		return nil, err
	}
	sets, err := next.vet()
	if err != nil {
		return nil, err
	}
	s.reloading.Lock()
	defer s.reloading.Unlock()
	restarts, place := s.config.restarts(&next)
	if err := s.config.clash(&next, place); err != nil {
		return nil, err
	}
	for n, i := range s.images {
		if at := place[n]; at >= 0 && i.readOnly && !allReadOnly(sets[at]) {
			return nil, fmt.Errorf("%s is open for reading only, so exports cannot allow more before the next start", i.path)
		}
	}
	s.config.Images = slices.Clone(s.config.Images)
	for n, i := range s.images {
		at := place[n]
		if at < 0 {
			continue
		}
		i.reload(sets[at])
		i.reschedule(next.Images[at].Snapshots)
		i.limit(next.Images[at].Quotas)
		c := &s.config.Images[n]
		c.Exports, c.Snapshots = slices.Clone(next.Images[at].Exports), slices.Clone(next.Images[at].Snapshots)
		c.Quotas = slices.Clone(next.Images[at].Quotas)
		if !i.readOnly && i.scrubs.set(next.Images[at].Scrub) {
			i.log.Info("scrubs go by another schedule", "every", next.Images[at].Scrub.Every, "rate", next.Images[at].Scrub.Rate)
		}
		c.Scrub = next.Images[at].Scrub
		if i.room != nil {
			c.Limits = next.Images[at].Limits
			i.room.Resize(c.Limits.Waiters)
		}
	}
	return restarts, nil
}

// clash refuses an export that goes from an image that is not served any more after the next start, and is until then, to another.
func (c *Config) clash(next *Config, place []int) error {
	for n, at := range place {
		if at >= 0 {
			continue
		}
		for _, x := range c.Images[n].Exports {
			for m, to := range place {
				if to >= 0 && slices.ContainsFunc(next.Images[to].Exports, func(o export.Export) bool { return o.Name == x.Name }) {
					return fmt.Errorf("export %q cannot go from %s to %s before the next start, until which that is served", x.Name, c.Images[n].Path, c.Images[m].Path)
				}
			}
		}
	}
	return nil
}

// reload serves other exports of an image.
func (i *Image) reload(next *export.Set) {
	added, removed, changed := i.exports.Load().Difference(next)
	i.show(next)
	if len(added)+len(removed)+len(changed) == 0 {
		return
	}
	i.log.Info("exports reloaded", "added", added, "removed", removed, "changed", changed)
}

// reschedule makes and deletes snapshots by other schedules from now on, which are valid. An image that is open for reading only gets none.
func (i *Image) reschedule(list []schedule.Schedule) {
	if i.readOnly {
		if len(list) > 0 {
			i.log.Warn("the image is open for reading only: no snapshots are made or deleted by schedules")
		}
		return
	}
	added, removed, changed := i.snapshots.Difference(list)
	if err := i.snapshots.Set(list); err != nil {
		i.log.Error("schedules of snapshots stay as they were", "error", err)
		return
	}
	if len(added)+len(removed)+len(changed) > 0 {
		i.log.Info("schedules of snapshots", "added", added, "removed", removed, "changed", changed)
	}
}

// limit sets the quotas that a list, which is valid, names. What cannot be set is no reason not to serve: a directory may be made later, and the log
// says what failed.
func (i *Image) limit(list []quotas.Quota) {
	if i.readOnly {
		if len(list) > 0 {
			i.log.Warn("the image is open for reading only: no quotas are set")
		}
		return
	}
	set, failures := quotas.Apply(i.eng, list)
	for _, f := range failures {
		if f.Missing() {
			i.log.Warn("a quota is not set: its directory is not there", "directory", f.Quota.Path)
		} else {
			i.log.Error("a quota is not set", "quota", f.Quota.String(), "error", f.Err)
		}
	}
	if set > 0 {
		i.log.Info("quotas set by the configuration", "count", set)
	}
}

// restarts are the settings of next that count at the next start, and place is where in it each image of c is; -1 for nowhere.
func (c *Config) restarts(next *Config) (list []Restart, place []int) {
	differ := func(image, key, now, then string) {
		if now != then {
			list = append(list, Restart{image, key, now, then})
		}
	}
	differ("", "nfs", c.NFS, next.NFS)
	differ("", "nfs_stack", c.stack(), next.stack())
	differ("", "9p", strings.Join(c.NineP, " "), strings.Join(next.NineP, " "))
	differ("", "9p_users", c.NinePUsers, next.NinePUsers)
	differ("", "portmap", c.Finding.Portmap, next.Finding.Portmap)
	differ("", "register", strconv.FormatBool(c.Finding.Register), strconv.FormatBool(next.Finding.Register))
	differ("", "no_locks", strconv.FormatBool(c.Locking.Off), strconv.FormatBool(next.Locking.Off))
	differ("", "grace", c.Locking.Grace.String(), next.Locking.Grace.String())
	differ("", "memory", strconv.FormatInt(c.Memory, 10), strconv.FormatInt(next.Memory, 10))
	differ("", "access_log", c.Watching.AccessLog, next.Watching.AccessLog)
	differ("", "access_log_sample", strconv.FormatUint(c.Watching.AccessLogSample, 10), strconv.FormatUint(next.Watching.AccessLogSample, 10))
	differ("", "trace_endpoint", c.Watching.TraceEndpoint, next.Watching.TraceEndpoint)
	differ("", "trace_sample", strconv.FormatFloat(c.Watching.TraceSample, 'g', -1, 64), strconv.FormatFloat(next.Watching.TraceSample, 'g', -1, 64))
	for n := range c.Images {
		now := &c.Images[n]
		at := slices.IndexFunc(next.Images, func(i ImageConfig) bool { return i.Path == now.Path })
		if len(c.Images) == 1 && len(next.Images) == 1 {
			at = 0 // which may be said to be elsewhere
		}
		place = append(place, at)
		if at < 0 {
			differ(now.Path, "image", now.Path, "")
			continue
		}
		then := &next.Images[at]
		differ(now.Path, "image", now.Path, then.Path)
		differ(now.Path, "control", now.Control, then.Control)
		differ(now.Path, "durability", now.Durability.String(), then.Durability.String())
		differ(now.Path, "volatile", strconv.FormatBool(now.Volatile), strconv.FormatBool(then.Volatile))
		differ(now.Path, "sparse", strconv.FormatBool(now.Sparse), strconv.FormatBool(then.Sparse))
		if len(c.Images) == 1 && now.Limits.Waiters == 0 {
			differ(now.Path, "limits.waiters", "0", strconv.Itoa(then.Limits.Waiters))
		}
	}
	for at := range next.Images {
		if !slices.Contains(place, at) {
			differ(next.Images[at].Path, "image", "", next.Images[at].Path)
		}
	}
	return list, place
}

// stack is the NFS stack by its name.
func (c *Config) stack() string {
	if c.NFSStack == "" {
		return StackNative
	}
	return c.NFSStack
}
