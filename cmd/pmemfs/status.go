package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pmemfs/pmemfs"
	"pmemfs/server/control"
)

func newStatus() *cobra.Command {
	return newWatch(&cobra.Command{
		Use:   "status [IMAGE]",
		Short: "Show how a server and the images that it serves are",
		Long: `Show how the server of an image is (default ./` + defaultImage + `), and each image that it serves: space, snapshots, locks, damage, exports.
The socket beside the image leads to the server, or with --admin its admin port.`,
		Example: `  pmemfs status
  pmemfs status fs.img -o yaml
  pmemfs status --admin 127.0.0.1:9049 --json`,
	}, control.GetStatus, func() (none control.None) { return none }, func(t *tabular, s *control.Status) { printStatus(t, s, time.Now()) })
}

func printStatus(t *tabular, s *control.Status, now time.Time) {
	state := s.State
	if s.Grace {
		state += ", clients are claiming their locks"
	}
	t.row("server", fmt.Sprintf("%s, process %d, for %s", state, s.PID, since(s.StartedNS, now)))
	t.row("version", s.Version)
	t.row("nfs", s.NFS)
	for _, at := range s.NineP {
		t.row("9p", at)
	}
	if s.Admin != "" {
		t.row("admin", s.Admin)
	}
	t.row("memory", fmt.Sprintf("%s of %s for requests", formatBytes(uint64(s.Memory.UsedBytes)), formatBytes(uint64(s.Memory.LimitBytes))))
	for n := range s.Images {
		printImage(t, &s.Images[n], now)
	}
}

func printImage(t *tabular, i *control.ImageStatus, now time.Time) {
	t.row("")
	t.row("image", i.Path)
	state := i.State
	if i.Reason != "" {
		state += ": " + i.Reason
	}
	t.row("  state", state)
	t.row("  domain", i.Domain)
	sp := &i.Space
	t.row("  space", fmt.Sprintf("%s: %s live, %s in snapshots, %s free, %s bad", formatBytes(sp.SizeBytes), formatBytes(sp.LiveBytes),
		formatBytes(sp.SnapshotBytes), formatBytes(sp.FreeBytes), formatBytes(sp.BadBytes)))
	t.row("  inodes", i.Inodes)
	snaps := strconv.Itoa(i.Snaps.Count)
	if i.Snaps.NewestNS != 0 {
		snaps += ", the last one " + since(i.Snaps.NewestNS, now) + " ago"
	}
	if i.Snaps.Deleting > 0 {
		snaps += fmt.Sprintf(", %d being deleted", i.Snaps.Deleting)
	}
	t.row("  snapshots", snaps)
	t.row("  quotas", yesNo(i.Quotas))
	t.row("  locks", fmt.Sprintf("%d held in %s by %s, %d waited for", i.Locks.Held, count(i.Locks.Files, "file"), count(i.Locks.Clients, "client"), i.Locks.Waiting))
	t.row("  engine", fmt.Sprintf("%d fences, %d lines flushed, %d past the cache, %d checkpoints", i.Engine.Fences, i.Engine.Lines, i.Engine.NTLines, i.Engine.Checkpoints))
	t.row("  start", fmt.Sprintf("%s of the journal replayed, open in %.1f ms", count(i.Recovery.Records, "record"), i.Recovery.Seconds*1e3))
	t.row("  scrub", scrubLine(pmemfs.ScrubStatus{Running: i.Scrub.Running, Partial: i.Scrub.Running, Passes: i.Scrub.Passes, Began: i.Scrub.BeganNS,
		Ended: i.Scrub.EndedNS, Bytes: i.Scrub.Bytes, Findings: i.Scrub.Findings}))
	t.row("  damage", fmt.Sprintf("%d bad blocks, %d lost", i.Damage.BadBlocks, i.Damage.LostBlocks))
	for n := range i.Exports {
		t.row("  export "+i.Exports[n].Name, exportLine(&i.Exports[n]))
	}
}

func exportLine(e *control.ExportStatus) string {
	parts := []string{"directory " + e.Subtree, "read-write", "squash " + e.Squash}
	if e.ReadOnly {
		parts[1] = "read-only"
	}
	if len(e.Clients) > 0 {
		parts = append(parts, "for "+strings.Join(e.Clients, " "))
	}
	if e.UsedBytes|e.LimitBytes != 0 {
		parts = append(parts, fmt.Sprintf("%s of %s", formatBytes(e.UsedBytes), limitBytes(e.LimitBytes, e.UsedBytes)))
	}
	if e.Missing != "" {
		parts = append(parts, "cannot be mounted: "+e.Missing)
	}
	return strings.Join(parts, ", ")
}

// since says how long ago something was.
func since(ns int64, now time.Time) string {
	d := now.Sub(time.Unix(0, ns))
	if d < time.Minute {
		return d.Round(time.Second).String()
	}
	return d.Round(time.Minute).String()
}

func newLocks() *cobra.Command {
	var most uint
	cmd := newWatch(&cobra.Command{
		Use:   "locks [IMAGE]",
		Short: "Show the locks of files, and who waits for whom",
		Long: `Show the locks of files in all images of a server (default that of ./` + defaultImage + `): who has them, which requests wait, and for whom. Files are named by
their numbers, which clients see as inode numbers: find MOUNT -inum NUMBER.`,
		Example: `  pmemfs locks
  pmemfs locks fs.img --json`,
	}, control.GetLocks, func() control.LocksRequest { return control.LocksRequest{Most: most} }, printLocks)
	cmd.Flags().UintVar(&most, "most", 0, "how many to list at most, up to 10000 (default 1000)")
	return cmd
}

func printLocks(t *tabular, r *control.LocksReply) {
	if r.All == 0 {
		t.row("no locks")
		return
	}
	t.row("image", "file", "bytes", "kind", "owner", "state")
	for n := range r.Locks {
		l := &r.Locks[n]
		kind, state := "shared", "held"
		if l.Exclusive {
			kind = "exclusive"
		}
		if l.Waiting {
			state = "waits for " + holderText(&l.For)
		}
		t.row(l.Image, l.File, rangeText(l.Start, l.End), kind, holderText(&l.Owner), state)
	}
	if more := r.All - len(r.Locks); more > 0 {
		t.row(fmt.Sprintf("and %d more", more))
	}
}

func rangeText(start, end uint64) string {
	if end == pmemfs.LockEOF {
		return fmt.Sprintf("%d-", start)
	}
	return fmt.Sprintf("%d-%d", start, end)
}

// holderText names who has a lock: the client, what it calls itself, and the process there.
func holderText(h *control.LockHolder) string {
	if h.Protocol == "" {
		return "others"
	}
	return fmt.Sprintf("%s %s %s/%d", h.Protocol, h.Client, h.Name, h.Process)
}
