package metrics

import (
	"strconv"
	"strings"
	"time"

	"pmemfs/pmemfs"
)

// blockSize is the unit in which memory goes out of use, in bytes.
const blockSize = 4096

// imageValues are metrics of an image with one value.
var imageValues = []struct {
	of    *metric
	value func(i *Image) float64
}{
	{counter("pmemfs_engine_changes_total", "Changes that were recorded in the journal.", "image"), func(i *Image) float64 { return float64(i.Activity.Changes) }},
	{counter("pmemfs_engine_fences_total", "Fences.", "image"), func(i *Image) float64 { return float64(i.Counters.Fences) }},
	{counter("pmemfs_engine_flushed_lines_total", "Lines of 64 bytes that were flushed from the cache, or recorded for msync.", "image"),
		func(i *Image) float64 { return float64(i.Counters.Lines) }},
	{counter("pmemfs_engine_streamed_lines_total", "Lines of 64 bytes that were stored past the cache.", "image"), func(i *Image) float64 { return float64(i.Counters.NTLines) }},
	{counter("pmemfs_engine_syncs_total", "System calls that make durable.", "image"), func(i *Image) float64 { return float64(i.Counters.Syncs) }},
	{gauge("pmemfs_journal_size_bytes", "Size of the journal's ring.", "image"), func(i *Image) float64 { return float64(i.Info.JournalBytes) }},
	{gauge("pmemfs_journal_used_bytes", "What of the ring a start would replay after a crash.", "image"), func(i *Image) float64 { return float64(i.Activity.RingBytes) }},
	{counter("pmemfs_journal_written_bytes_total", "Bytes of all records.", "image"), func(i *Image) float64 { return float64(i.Activity.RingAppended) }},
	{counter("pmemfs_journal_waits_total", "Times that a change found the journal full, and waited for a checkpoint.", "image"), func(i *Image) float64 { return float64(i.Activity.RingWaits) }},
	{counter("pmemfs_journal_checkpoints_total", "Checkpoints.", "image"), func(i *Image) float64 { return float64(i.Counters.Checkpoints) }},
	{counter("pmemfs_journal_checkpoint_seconds_total", "Time of all checkpoints.", "image"), func(i *Image) float64 { return i.Activity.CheckpointTime.Seconds() }},
	{counter("pmemfs_engine_reader_waits_total", "Calls that waited for another one to read an inode.", "image"),
		func(i *Image) float64 { return float64(i.Activity.ReadersWaited) }},
	{counter("pmemfs_engine_writer_waits_total", "Calls that waited for another one to change an inode.", "image"),
		func(i *Image) float64 { return float64(i.Activity.WritersWaited) }},
	{gauge("pmemfs_recovery_replayed_records", "Records of the journal that the start has replayed.", "image"), func(i *Image) float64 { return float64(i.Activity.Replayed) }},
	{gauge("pmemfs_recovery_seconds", "How long it took to open the image, with the replay.", "image"), func(i *Image) float64 { return i.Activity.OpenTook.Seconds() }},

	{gauge("pmemfs_image_size_bytes", "Size of the image: live, snapshots, free and bad together.", "image"), func(i *Image) float64 { return float64(i.Info.SizeBytes) }},
	{gauge("pmemfs_image_reserved_bytes", "Of what is free, what is set aside for buffered data.", "image"), func(i *Image) float64 { return float64(i.Activity.ReservedBytes) }},
	{gauge("pmemfs_image_emergency_bytes", "Of what is free, what is kept for operations that free more.", "image"),
		func(i *Image) float64 { return float64(i.Activity.EmergencyBytes) }},
	{gauge("pmemfs_image_quarantined_bytes", "Freed, and to be used again after the next checkpoint.", "image"),
		func(i *Image) float64 { return float64(i.Activity.QuarantinedBytes) }},
	{gauge("pmemfs_image_dirty_bytes", "Data that clients wrote unstable and that is not durable yet.", "image"), func(i *Image) float64 { return float64(i.Activity.DirtyBytes) }},
	{gauge("pmemfs_image_inodes", "Inodes in use: files of all types, and some that are the filesystem's own.", "image"), func(i *Image) float64 { return float64(i.Info.UsedInodes) }},
	{gauge("pmemfs_image_open_files", "Files that clients of 9P have open.", "image"), func(i *Image) float64 { return float64(i.Activity.OpenFiles) }},
	{gauge("pmemfs_image_sparse_bytes", "What of the image has no blocks on the host's disk.", "image"), func(i *Image) float64 { return float64(i.Info.SparseBytes) }},
	{gauge("pmemfs_image_read_only", "1 if nothing can be changed.", "image"), func(i *Image) float64 { return number(i.readOnly() != "") }},

	{gauge("pmemfs_bad_blocks", "Blocks of 4 KiB that are out of use since their memory is bad.", "image"), func(i *Image) float64 { return float64(i.Media.Bad) }},
	{gauge("pmemfs_lost_blocks", "Blocks of 4 KiB in use whose memory did not take what was stored.", "image"), func(i *Image) float64 { return float64(i.Media.Lost) }},
	{gauge("pmemfs_scrub_running", "1 while everything is read in search of damage.", "image"), func(i *Image) float64 { return number(i.Info.Scrub.Running) }},
	{counter("pmemfs_scrub_passes_total", "Complete passes since the image was made.", "image"), func(i *Image) float64 { return float64(i.Info.Scrub.Passes) }},
	{gauge("pmemfs_scrub_read_bytes", "Read in this pass, or in the last one.", "image"), func(i *Image) float64 { return float64(i.Info.Scrub.Bytes) }},
	{gauge("pmemfs_scrub_findings", "Damage that this pass, or the last one, has found.", "image"), func(i *Image) float64 { return float64(i.Info.Scrub.Findings) }},

	{gauge("pmemfs_snapshots", "Snapshots.", "image"), func(i *Image) float64 { return float64(i.Snapshots) }},
	{gauge("pmemfs_snapshots_deleting", "Deleted snapshots whose space is being freed.", "image"), func(i *Image) float64 { return float64(i.Held.Deleting) }},
	{gauge("pmemfs_locks", "Locks and reservations of files that are held.", "image"), func(i *Image) float64 { return float64(i.Locks.Units) }},
	{gauge("pmemfs_lock_waiters", "Requests for locks that wait.", "image"), func(i *Image) float64 { return float64(i.Locks.Waits) }},
	{gauge("pmemfs_locked_files", "Files that have locks.", "image"), func(i *Image) float64 { return float64(i.Locks.Files) }},
	{gauge("pmemfs_lock_clients", "Clients that have locks.", "image"), func(i *Image) float64 { return float64(i.Locks.Clients) }},
	{gauge("pmemfs_lock_grace", "1 while locks can only be claimed again, after a restart.", "image"), func(i *Image) float64 { return number(i.Grace) }},
	{gauge("pmemfs_lock_hosts", "Hosts with locks that are told of a restart.", "image"), func(i *Image) float64 { return float64(i.Hosts) }},
	{gauge("pmemfs_duplicate_requests_remembered", "Replies in the duplicate request cache of NFS.", "image"), func(i *Image) float64 { return float64(i.Entries) }},
}

var (
	info     = gauge("pmemfs_image_info", "The image; always 1.", "image", "uuid", "domain", "durability", "format")
	space    = gauge("pmemfs_image_space_bytes", "What the image's space is used for: live, snapshots, free or bad.", "image", "use")
	roReason = gauge("pmemfs_image_read_only_info", "Why nothing can be changed; 1 while that is so.", "image", "reason")
	group    = histogram("pmemfs_commit_group_size", "Changes that one fence made durable together, in the page-cache domain.", "image")
	media    = counter("pmemfs_media_errors_total", "What bad memory and the host have done: data and metadata that were refused, checksums that were wrong, "+
		"accesses that the host refused, looks that did not find the image at its path.", "image", "kind")
	scrubbed = gauge("pmemfs_scrub_last_complete_timestamp_seconds", "When the last complete pass ended.", "image")
	scrubDue = gauge("pmemfs_scrub_due_timestamp_seconds", "When the next complete pass is to begin, or should have begun; missing if never.", "image")
	repeated = counter("pmemfs_duplicate_requests_total", "Calls that the duplicate request cache has looked up: hit for retransmissions, else miss.", "image", "result")

	scheduleLast = gauge("pmemfs_snapshot_schedule_last_success_timestamp_seconds", "When a schedule last made a snapshot.", "image", "schedule")
	scheduleStep = gauge("pmemfs_snapshot_schedule_interval_seconds", "How often a schedule makes a snapshot.", "image", "schedule")
	scheduleBad  = gauge("pmemfs_snapshot_schedule_failing", "1 if a schedule's last turn failed.", "image", "schedule")

	quotaLabels    = []string{"image", "kind", "id"}
	quotaUsed      = gauge("pmemfs_quota_used_bytes", "What an account with limits uses.", quotaLabels...)
	quotaHard      = gauge("pmemfs_quota_hard_limit_bytes", "What it may use; 0 for no limit.", quotaLabels...)
	quotaSoft      = gauge("pmemfs_quota_soft_limit_bytes", "What it may use for long; 0 for no limit.", quotaLabels...)
	quotaUsedFiles = gauge("pmemfs_quota_used_files", "Files of an account with limits.", quotaLabels...)
	quotaHardFiles = gauge("pmemfs_quota_hard_limit_files", "How many it may have; 0 for no limit.", quotaLabels...)
	quotaSoftFiles = gauge("pmemfs_quota_soft_limit_files", "How many it may have for long; 0 for no limit.", quotaLabels...)
)

// readOnly is why nothing can be changed; empty if it can.
func (i *Image) readOnly() string {
	switch {
	case i.Failure != "":
		return strings.ToValidUTF8(i.Failure[:min(len(i.Failure), reasonMax)], "") // of which the last character may be half
	case i.Info.ReadOnly:
		return "opened for reading only"
	}
	return ""
}

// reasonMax bounds the text of a reason, in bytes.
const reasonMax = 200

// collectImage shows an image.
func collectImage(s sink, i *Image) {
	for _, v := range imageValues {
		s.put(v.of, v.value(i), i.Name)
	}
	s.put(info, 1, i.Name, i.Info.UUID, i.Info.Domain, i.Info.Durability, strconv.Itoa(i.Info.FormatVersion))
	held, bad := i.Held.Data+i.Held.Overhead, i.Info.BadBlocks*blockSize
	others := held + bad + i.Info.FreeBytes
	for use, bytes := range map[string]uint64{"snapshots": held, "bad": bad, "free": i.Info.FreeBytes, "live": i.Info.SizeBytes - min(others, i.Info.SizeBytes)} {
		s.put(space, float64(bytes), i.Name, use)
	}
	if why := i.readOnly(); why != "" {
		s.put(roReason, 1, i.Name, why)
	}
	s.collectGroups(i)
	for kind, n := range map[string]uint64{"data": i.Media.Data, "metadata": i.Media.Metadata, "checksum": i.Media.Sums, "host": i.Media.Host, "misplaced": i.Media.Misplaced} {
		s.put(media, float64(n), i.Name, kind)
	}
	if i.Info.Scrub.Passes > 0 {
		s.putTime(scrubbed, time.Unix(0, i.Info.Scrub.Ended), i.Name)
	}
	s.putTime(scrubDue, i.ScrubDue, i.Name)
	s.put(repeated, float64(i.Hits), i.Name, "hit")
	s.put(repeated, float64(i.Misses), i.Name, "miss")
	for _, x := range i.Schedules {
		s.putTime(scheduleLast, x.Last, i.Name, x.Name)
		s.put(scheduleStep, x.Every.Seconds(), i.Name, x.Name)
		s.put(scheduleBad, number(x.Failing), i.Name, x.Name)
	}
	s.collectQuotas(i)
}

// collectGroups shows how many changes share a fence.
func (s sink) collectGroups(i *Image) {
	buckets := make(map[float64]uint64, pmemfs.GroupBuckets)
	var n uint64
	for k, fences := range i.Activity.Groups {
		n += fences
		if k < pmemfs.GroupBuckets-1 {
			buckets[float64(uint64(1)<<k)] = n
		}
	}
	s.putHistogram(group, n, float64(i.Activity.GroupChanges), buckets, i.Name)
}

// quotaKinds are what accounts are of.
var quotaKinds = map[pmemfs.QuotaKind]string{pmemfs.QuotaUser: "user", pmemfs.QuotaGroup: "group", pmemfs.QuotaProject: "tree"}

// collectQuotas shows accounts with limits.
func (s sink) collectQuotas(i *Image) {
	for _, q := range i.Quotas[:min(len(i.Quotas), QuotasShown)] {
		of := []string{i.Name, quotaKinds[q.Kind], strconv.FormatUint(uint64(q.ID), 10)}
		for m, v := range map[*metric]uint64{quotaUsed: q.UsedBytes, quotaHard: q.HardBytes, quotaSoft: q.SoftBytes,
			quotaUsedFiles: q.UsedFiles, quotaHardFiles: q.HardFiles, quotaSoftFiles: q.SoftFiles} {
			s.put(m, float64(v), of...)
		}
	}
}
