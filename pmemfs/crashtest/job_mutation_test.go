//go:build mutation

package crashtest

import (
	"errors"
	"fmt"
	"runtime/debug"
	"testing"

	"pmemfs/pmemfs/internal/mutation"
	"pmemfs/pmemfs/internal/pmem"
)

// killers are jobs that fail when a rule is not followed, by the row of the table.
var killers = map[string]string{
	"data: blocks of a large write, flush":          "kill:4",
	"data: blocks of a large write, fence":          "phases:0",
	"format: bitmaps, inodes and first head, flush": "format:0",
	"format: bitmaps, inodes and first head, fence": "format:0",
	"format: end of what was there, flush":          "format:2",
	"format: end of what was there, fence":          "format:0",
	"format: superblock, flush":                     "format:0",
	"format: superblock, fence":                     "format:0",
	"inode: zeros of a grown inode file, flush":     "growth:1",
	"inode: zeros of a grown inode file, fence":     "growth:0",
	"journal: dirty lines of a checkpoint, flush":   "restarts:0",
	"journal: dirty lines of a checkpoint, fence":   "restarts:0",
	"journal: head of a checkpoint, flush":          "ring:0",
	"journal: head of a checkpoint, fence":          "ring:0",
	"journal: record, flush":                        "restarts:0",
	"journal: record, fence":                        "restarts:0",
	"media: superblock written again, flush":        "heal:0",
	"media: superblock written again, fence":        "heal:0",
	"recovery: head of the new epoch, flush":        "restarts:0",
	"recovery: head of the new epoch, fence":        "restarts:0",
	"recovery: replayed lines, flush":               "restarts:1",
	"recovery: replayed lines, fence":               "restarts:1",
	"recovery: unfenced records, flush":             "kill:0",
	"recovery: unfenced records, fence":             "kill:0",
	"xattr: blocks of a long value, flush":          "restarts:1",
	"xattr: blocks of a long value, fence":          "restarts:1",
	"repair: unfenced records, flush":               "mend:10",
	"repair: unfenced records, fence":               "mend:10",
	"repair: replayed blocks, flush":                "repair:0",
	"repair: replayed blocks, fence":                "repair:0",
	"repair: heads without a window, flush":         "repair:1",
	"repair: heads without a window, fence":         "repair:1",
	"repair: record, flush":                         "repair:5",
	"repair: record, fence":                         "repair:5",
	"repair: blocks of a record, flush":             "repair:1",
	"repair: blocks of a record, fence":             "repair:1",
	"repair: head behind a record, flush":           "repair:4",
	"repair: head behind a record, fence":           "repair:4",
	"repair: superblock, flush":                     "repair:0",
	"repair: superblock, fence":                     "repair:0",
	"scrub: superblock written anew, flush":         "scrub:0",
	"scrub: superblock written anew, fence":         "scrub:0",
	"quota: slots of new accounts, flush":           "accounts:1",
	"quota: slots of new accounts, fence":           "accounts:0",
	"pmemfs: superblock with a feature, flush":      "convert:0",
	"pmemfs: superblock with a feature, fence":      "convert:0",
	"grow: bitmaps of new groups, flush":            "grow:2",
	"grow: bitmaps of new groups, fence":            "grow:2",
	"grow: backup superblock, flush":                "grow:0",
	"grow: backup superblock, fence":                "grow:0",
	"grow: first superblock, flush":                 "grow:0",
	"grow: first superblock, fence":                 "grow:0",
	"grow: superblock behind the end, flush":        "broken:32",
	"grow: superblock behind the end, fence":        "broken:12",
	mutation.GrowthFlagged.String():                 "grow:0",
	mutation.GrowthCounted.String():                 "grow:0",
	mutation.GrowthWiped.String():                   "broken:12",
	mutation.GrowthMarked.String():                  "grow:7",
	mutation.GrowthHeld.String():                    "growing:4",
	mutation.GrowthBackupFirst.String():             "grow:0",
	mutation.GrowthSpaceLast.String():               "growing:4",

	mutation.QuarantineFreed.String():      "mix:1",
	mutation.QuarantineTrimmed.String():    "trim:0",
	mutation.QuarantineSingle.String():     "single:0",
	mutation.CutIsOrphan.String():          "cut:0",
	mutation.CutFinished.String():          "cut:0",
	mutation.ExchangeStamps.String():       "exchange:0",
	mutation.QuarantinePassed.String():     "reuse:4",
	mutation.QuarantineHeld.String():       "mix:1",
	mutation.QuarantineFailed.String():     "unsure:0",
	mutation.ReleaseAfterHead.String():     "reuse:2",
	mutation.TailAfterHead.String():        "wait:2",
	mutation.TailApplied.String():          "phases:0",
	mutation.ApplyAfterFence.String():      "restarts:0",
	mutation.AckInOrder.String():           "order:0",
	mutation.SealAtCheckpoint.String():     "restarts:0",
	mutation.SealAtRecovery.String():       "restarts:0",
	mutation.ReplayInOrder.String():        "restarts:0",
	mutation.ReplayFromTail.String():       "restarts:0",
	mutation.CountsReplayed.String():       "restarts:0",
	mutation.EpochRaised.String():          "stale:0",
	mutation.HeadsAlternate.String():       "restarts:0",
	mutation.VetEnd.String():               "window:0",
	mutation.VetWhole.String():             "entry:0",
	mutation.RecordOwn.String():            "stale:0",
	mutation.RecordSeal.String():           "restarts:0",
	mutation.HeadSeal.String():             "phases:0",
	mutation.SuperSeal.String():            "format:0",
	mutation.InodeSeal.String():            "rest:0",
	mutation.BlockSeal.String():            "rest:0",
	mutation.DataSum.String():              "content:0",
	mutation.ValueSum.String():             "content:0",
	mutation.LostSeal.String():             "lost:0",
	mutation.NoteInRecord.String():         "mix:1",
	mutation.NotesBeforeEnd.String():       "notes:0",
	mutation.NotesApart.String():           "notes:1",
	mutation.NotesCarried.String():         "notes:1",
	mutation.NotesFenced.String():          "notes:1",
	mutation.NotesRoom.String():            "notes:2",
	mutation.SaltRepeated.String():         "torn:0",
	mutation.BulkVerified.String():         "kill:1",
	mutation.BulkVouched.String():          "kill:7",
	mutation.BulkFenced.String():           "kill:1",
	mutation.AccountSeal.String():          "slots:0",
	mutation.AccountAsOfHead.String():      "accounts:0",
	mutation.AccountOlderCopy.String():     "accounts:0",
	mutation.AccountsAtCheckpoint.String(): "accounts:0",
	mutation.AccountsReplayed.String():     "accounts:0",
	mutation.AccountsInRecord.String():     "accounts:0",
	mutation.QuotaBitsFirst.String():       "convert:0",
	mutation.SnapshotNodes.String():        "snaps:0",
	mutation.SnapshotData.String():         "snaps:0",
	mutation.SnapshotInodes.String():       "snaps:0",
	mutation.SnapshotMarked.String():       "reap:0",
	mutation.SnapshotHeld.String():         "reap:1",
	mutation.RollbackNamed.String():        "back:0",
	mutation.RollbackRevives.String():      "back:0",
}

// attempt runs a job with something taken away. A panic of the crippled engine is as good as any failure.
func attempt(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	return f()
}

// rows returns what is taken away one at a time, with how to run a job without it.
func rows() map[string]func(j Job) error {
	rows := map[string]func(j Job) error{}
	for _, s := range pmem.Sites() {
		for _, what := range []string{"flush", "fence"} {
			rows[fmt.Sprintf("%v, %s", s, what)] = func(j Job) error { return j.explore(huntLimits, forget{s, what == "flush"}) }
		}
	}
	for _, r := range mutation.Rules() {
		rows[r.String()] = func(j Job) (err error) {
			r.Set(func() { _, err = j.Run(huntLimits) })
			return err
		}
	}
	return rows
}

var huntLimits = Limits{Exhaustive: 4, Units: 2, Subsets: 8, Random: 3, Nested: 50, Depth: 2}

func (j Job) explore(l Limits, f forget) error {
	t, err := kinds[j.Kind](j.Seed)
	if err != nil || t == nil {
		return err
	}
	t.Name = j.String()
	_, _, err = t.Explore(l, j.Seed, f)
	return err
}

// TestMutations takes each flush, each fence and each rule away, and asserts that this is noticed.
func TestMutations(t *testing.T) {
	for row, run := range rows() {
		t.Run(row, func(t *testing.T) {
			j, err := ParseJob(killers[row])
			if err != nil {
				t.Fatalf("SURVIVED nothing is known to notice: %v", err)
			}
			if err := attempt(func() error { return j.explore(huntLimits, forget{}) }); err != nil {
				t.Fatalf("SURVIVED %v fails with everything in place: %v", j, err)
			}
			err = attempt(func() error { return run(j) })
			var v *Violation
			if err == nil {
				t.Fatalf("SURVIVED %v does not notice", j)
			}
			t.Logf("KILLED %s by %v: %v %.150v", row, j, errors.As(err, &v), err)
		})
	}
}

// TestKnownBugsAreSeen puts each of the known classes of bugs into the engine.
func TestKnownBugsAreSeen(t *testing.T) {
	all := rows()
	for _, b := range knownBugs {
		t.Run(b.name, func(t *testing.T) {
			for _, text := range b.jobs {
				j, err := ParseJob(text)
				if err != nil {
					t.Fatal(err)
				}
				if err := attempt(func() error { return all[b.row](j) }); err != nil {
					t.Logf("SEEN by %v: %.150v", j, err)
					return
				}
			}
			t.Errorf("not seen by %v", b.jobs)
		})
	}
}
