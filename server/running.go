package server

import (
	"cmp"
	"os"
	"slices"

	"pmemfs/pmemfs"
	"pmemfs/server/control"
	"pmemfs/server/events"
	"pmemfs/server/export"
	"pmemfs/server/ninep"
	"pmemfs/server/nlm"
	"pmemfs/server/traffic"
)

// blockSize is the unit in which memory goes out of use, in bytes.
const blockSize = 4096

// running is what commands and the admin port know of a server.
type running struct{ s *Server }

// Status describes the server.
func (r running) Status() control.Status {
	s := r.s
	report := control.Status{
		Version: s.config.Version, PID: os.Getpid(), StartedNS: s.started.UnixNano(), State: s.stage().String(), NFS: s.Addr().String(), NineP: s.NineP(),
		Memory: control.MemoryStatus{LimitBytes: s.budget.Bytes(), UsedBytes: s.budget.Held(), Holders: []control.MemoryHolder{}}, Images: []control.ImageStatus{},
	}
	u := s.budget.Usage()
	report.Requests.Working, report.Requests.Waiting = u.Working, u.Waiting
	for _, n := range s.traffic.Connections() {
		report.Requests.Connections += n
	}
	for _, h := range u.Holders {
		report.Memory.Holders = append(report.Memory.Holders, control.MemoryHolder(h))
	}
	if s.admin != nil {
		report.Admin = s.AdminAddr().String()
	}
	for _, i := range s.images {
		st := i.status()
		report.Grace = report.Grace || st.Grace
		report.Images = append(report.Images, st)
	}
	return report
}

// status describes an image.
func (i *Image) status() control.ImageStatus {
	info, c, did, locks, marks := i.eng.Glance(), i.eng.Counters(), i.eng.Activity(), i.eng.LockUsage(), i.eng.MediaErrors()
	st := control.ImageStatus{
		Path: i.path, UUID: info.UUID, State: "ok", Domain: info.Domain, Grace: i.inGrace(), Inodes: info.UsedInodes,
		Engine:  control.EngineStatus{Changes: did.Changes, Fences: c.Fences, Lines: c.Lines, NTLines: c.NTLines, Syncs: c.Syncs, Checkpoints: c.Checkpoints},
		Journal: control.JournalStatus{SizeBytes: info.JournalBytes, UsedBytes: did.RingBytes}, Recovery: control.RecoveryStatus{Records: did.Replayed, Seconds: did.OpenTook.Seconds()},
		Locks: control.LockCounts{Files: locks.Files, Held: locks.Units, Waiting: locks.Waits, Clients: locks.Clients},
		Scrub: control.ScrubStatus{Running: info.Scrub.Running, Passes: info.Scrub.Passes, BeganNS: info.Scrub.Began, EndedNS: info.Scrub.Ended,
			Bytes: info.Scrub.Bytes, Findings: info.Scrub.Findings},
		Damage: control.DamageStatus{BadBlocks: marks.Bad, LostBlocks: marks.Lost}, Exports: []control.ExportStatus{},
	}
	if err := i.eng.Failure(); err != nil {
		st.State, st.Reason = "failed", err.Error()
	} else if info.ReadOnly {
		st.State, st.Reason = "read-only", "the image cannot be written, or is served for reading only"
	}
	st.Space = i.space(&info)
	if i.native != nil {
		d := &st.Duplicates
		d.Hits, d.Misses, d.Remembered = i.native.Duplicates()
	}
	list, deleting := i.eng.SnapshotIndex()
	st.Snaps = control.SnapsStatus{Count: len(list), Deleting: deleting}
	for _, sn := range list {
		st.Snaps.NewestNS = max(st.Snaps.NewestNS, sn.Time)
	}
	if q, err := i.eng.QuotaStatus(); err == nil { // what cannot be read, the engine reports itself
		st.Quotas = q.On
	}
	for _, e := range i.exports.Load().All() {
		st.Exports = append(st.Exports, i.exportStatus(&e))
	}
	return st
}

// space says what the image's space is used for. What cannot be read counts as nothing: the engine reports it.
func (i *Image) space(info *pmemfs.Info) control.SpaceStatus {
	sp := control.SpaceStatus{SizeBytes: info.SizeBytes, FreeBytes: info.FreeBytes, BadBytes: info.BadBlocks * blockSize}
	if held, err := i.eng.SnapshotSpace(); err == nil {
		sp.SnapshotBytes = held.Data + held.Overhead
	}
	if st, err := i.eng.Statfs(); err == nil {
		sp.AvailBytes = st.AvailBytes
	}
	if used := sp.FreeBytes + sp.SnapshotBytes + sp.BadBytes; used < sp.SizeBytes {
		sp.LiveBytes = sp.SizeBytes - used
	}
	return sp
}

// exportStatus describes an export.
func (i *Image) exportStatus(e *export.Export) control.ExportStatus {
	st := control.ExportStatus{Name: e.Name, Subtree: e.Subtree, ReadOnly: e.ReadOnly, Squash: e.Squash.String(), Clients: []string{}, Snapdir: e.Snapshots.String()}
	for _, n := range e.Clients {
		st.Clients = append(st.Clients, n.String())
	}
	attr, err := export.Walk(i.eng, e.Subtree)
	if err != nil {
		st.Missing = err.Error()
		return st
	}
	if q, err := i.eng.TreeQuota(attr.Handle); err == nil { // most have none
		st.UsedBytes, st.LimitBytes = q.UsedBytes, q.HardBytes
	}
	return st
}

// Clients lists the busiest clients.
func (r running) Clients(most int) control.ClientsReply {
	list, others := r.s.traffic.Clients(most)
	return control.ClientsReply{Clients: list, Others: others}
}

// Traffic counts what has been called.
func (r running) Traffic() traffic.Report { return r.s.traffic.Report() }

// Events are the last warnings and errors.
func (r running) Events() []events.Event { return r.s.events.Events() }

// Locks lists the locks of all images.
func (r running) Locks(most int) control.LocksReply {
	reply := control.LocksReply{Locks: []control.Lock{}}
	for _, i := range r.s.images {
		list, all := i.eng.ListLocks(most - len(reply.Locks))
		reply.All += all
		for _, l := range list {
			reply.Locks = append(reply.Locks, control.Lock{
				Image: i.path, File: l.FileID, Owner: holder(l.Lock.Owner), Exclusive: l.Lock.Exclusive, Start: l.Lock.Start, End: l.Lock.End,
				Waiting: l.Waiting, For: holder(l.For),
			})
		}
	}
	slices.SortFunc(reply.Locks, func(a, b control.Lock) int {
		return cmp.Or(cmp.Compare(a.Image, b.Image), cmp.Compare(a.File, b.File), cmp.Compare(a.Start, b.Start), cmp.Compare(a.Owner.Client, b.Owner.Client))
	})
	return reply
}

// holder says who an owner of locks is, whose name each protocol makes in its own way.
func holder(o pmemfs.LockOwner) control.LockHolder {
	if o == (pmemfs.LockOwner{}) {
		return control.LockHolder{}
	}
	if process, name, ok := ninep.OwnerOf(o.ID); ok {
		return control.LockHolder{Protocol: "9p", Client: o.Client, Name: name, Process: process}
	}
	name, process := nlm.OwnerOf(o.ID)
	return control.LockHolder{Protocol: "nfs", Client: o.Client, Name: name, Process: process}
}
