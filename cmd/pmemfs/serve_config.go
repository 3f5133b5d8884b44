package main

import (
	"errors"
	"fmt"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/server"
	"pmemfs/server/config"
	"pmemfs/server/quotas"
)

// serverConfig makes a server's configuration of what is in force. tell makes what is told of progress.
//
// Errors: those of adminConfig, and each name of a user or a group that this machine does not have, joined.
func serverConfig(f *config.InForce, tell progressOf) (server.Config, error) {
	s, made := f.Server, readBuild()
	c := server.Config{
		NFS:        config.Get[string](s, "nfs"),
		NFSStack:   config.Get[string](s, "nfs_stack"),
		NineP:      config.List[string](s, "9p"),
		NinePUsers: config.Get[string](s, "9p_users"),
		Finding:    server.Finding{Portmap: config.Get[string](s, "portmap"), Register: config.Get[bool](s, "register")},
		Locking:    server.Locking{Off: config.Get[bool](s, "no_locks"), Grace: config.Get[time.Duration](s, "grace")},
		Memory:     config.Get[int64](s, "memory"),
		Version:    made.Version,
		Revision:   made.revision(),
		Watching: server.Watching{
			AccessLog: config.Get[string](s, "access_log"), AccessLogSample: uint64(config.Get[int64](s, "access_log_sample")),
			TraceEndpoint: config.Get[string](s, "trace_endpoint"), TraceSample: config.Get[float64](s, "trace_sample"),
		},
	}
	var err error
	c.Admin, err = adminConfig(s)
	for n := range f.Images {
		i, ierr := imageConfig(&f.Images[n], tell)
		err = errors.Join(err, ierr)
		c.Images = append(c.Images, i)
	}
	return c, err
}

// adminConfig is the admin port as a server needs it.
//
// Errors: those of readToken.
func adminConfig(s config.Settings) (a server.Admin, err error) {
	if a.Address = config.Get[string](s, "admin"); a.Address == config.AdminOff {
		return server.Admin{}, nil
	}
	a.Optional = !s.Said("admin")
	a.Hosts = config.List[string](s, "admin_hosts")
	a.Cert, a.Key = config.Get[string](s, "admin_cert"), config.Get[string](s, "admin_key")
	a.Pprof = config.Get[bool](s, "debug_pprof")
	a.TokenFile = config.Get[string](s, "admin_token")
	a.Token, err = readToken(a.TokenFile)
	return a, err
}

// imageConfig is one image as a server needs it.
func imageConfig(i *config.Image, tell progressOf) (c server.ImageConfig, err error) {
	s := i.Settings
	c = server.ImageConfig{
		Path:     config.Get[string](s, "path"),
		Control:  config.Get[string](s, "control"),
		Volatile: config.Get[bool](s, "volatile"),
		Sparse:   config.Get[bool](s, "sparse"),
		Limits:   server.ImageLimits{Waiters: int(config.Get[int64](i.Limits, "waiters"))},
		Scrub:    server.Scrubbing{Every: config.Get[time.Duration](s, "scrub_every"), Rate: config.Get[int64](s, "scrub_rate")},
	}
	c.New = server.NewImage{Size: config.Get[int64](s, "size"), Owner: ownerOf(s), Progress: tell("making " + c.Path)}
	if c.Durability, err = pmemfs.ParseDurability(config.Get[string](s, "durability")); err != nil {
		return c, err
	}
	for n := range i.Exports {
		c.Exports = append(c.Exports, i.Exports[n].Export)
	}
	for n := range i.Snapshots {
		c.Snapshots = append(c.Snapshots, i.Snapshots[n].Schedule)
	}
	for n := range i.Quotas {
		q, qerr := quotaOf(&i.Quotas[n])
		if qerr != nil {
			err = errors.Join(err, fmt.Errorf("%v: quota of %s: %w", i.Quotas[n].At, i.Quotas[n].Whose(), qerr))
		}
		c.Quotas = append(c.Quotas, q)
	}
	return c, err
}

// quotaOf is a quota as a server needs it, with the number that a name has on this machine.
func quotaOf(q *config.Quota) (to quotas.Quota, err error) {
	to = quotas.Quota{Kind: pmemfs.QuotaProject, Path: q.Path, Bytes: q.Bytes, SoftBytes: q.SoftBytes, Files: q.Files, SoftFiles: q.SoftFiles}
	switch {
	case q.User != nil:
		to.Kind, to.ID = pmemfs.QuotaUser, q.User.ID
		if q.User.Name != "" {
			to.ID, err = number(q.User.Name, userNumber)
		}
	case q.Group != nil:
		to.Kind, to.ID = pmemfs.QuotaGroup, q.Group.ID
		if q.Group.Name != "" {
			to.ID, err = number(q.Group.Name, groupNumber)
		}
	}
	return to, err
}

// ownerOf is who is to have the root directory of a new image.
func ownerOf(s config.Settings) *server.Owner {
	o := server.DefaultOwner()
	if s.Said("root_owner") {
		said := config.Get[config.Owner](s, "root_owner")
		o = server.Owner{UID: said.UID, GID: said.GID, Mode: plainMode}
	}
	if s.Said("root_mode") {
		o.Mode = config.Get[uint32](s, "root_mode")
	}
	return &o
}

// plainMode is the mode of a root directory that somebody owns.
const plainMode = 0o755
