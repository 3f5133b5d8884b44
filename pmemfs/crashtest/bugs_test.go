package crashtest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"pmemfs/pmemfs/internal/mutation"
	"pmemfs/pmemfs/internal/pmem"
)

// A bug is a class of faults that published filesystems for persistent memory had, with the workloads that would show it
// here, and the row of the table of mutations that puts it into the engine.
type bug struct {
	name string
	jobs []string
	row  string
}

// knownBugs are from the papers on Vinter (USENIX ATC 2022) and Chipmunk (EuroSys 2023), and from our own brief.
var knownBugs = []bug{
	{"flush of a new inode's valid flag is missing", []string{"longer:1", "restarts:0"}, "journal: record, flush"},
	{"fence after data is missing", []string{"phases:0", "tails:0"}, "data: blocks of a large write, fence"},
	{"last 1 to 7 bytes of an unaligned copy are not flushed", []string{"tails:0", "tails:1", "tails:2"}, "xattr: blocks of a long value, flush"},
	{"rename loses both names", []string{"renames:0", "renames:1"}, mutation.ApplyAfterFence.String()},
	{"link count changes apart from the entry", []string{"renames:0", "restarts:0"}, mutation.ReplayFromTail.String()},
	{"update in place is visible early", []string{"restarts:0"}, mutation.ApplyAfterFence.String()},
	{"recovery uses state from before the replay", []string{"restarts:0", "restarts:1"}, mutation.CountsReplayed.String()},
	{"recovery frees twice", []string{"extents:0", "extents:1", "restarts:1"}, "recovery: replayed lines, flush"},
	{"journal is replayed in the wrong order", []string{"restarts:0"}, mutation.ReplayInOrder.String()},
	{"journal is replayed twice", []string{"stale:0", "stale:1"}, mutation.EpochRaised.String()},
	{"arithmetic of truncate and allocate", []string{"edges:0", "edges:1", "edges:2"}, "journal: record, fence"},
	{"name spans several lines", []string{"names:0", "names:1"}, mutation.RecordSeal.String()},
	{"freed metadata block is reused while the journal names it", []string{"mix:1"}, mutation.QuarantineFreed.String()},
	{"small write is replayed over a later large one", []string{"reuse:4"}, mutation.QuarantinePassed.String()},
	{"ring space is reused early", []string{"wait:2"}, mutation.TailAfterHead.String()},
}

// TestKnownBugs tries the workloads of each class.
func TestKnownBugs(t *testing.T) {
	for _, b := range knownBugs {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			var jobs []Job
			for _, text := range b.jobs {
				j, err := ParseJob(text)
				if err != nil {
					t.Fatal(err)
				}
				jobs = append(jobs, j)
			}
			if s := runJobs(t, DefaultLimits, jobs); s.Points == 0 {
				t.Error("nothing was tried")
			}
		})
	}
}

// TestFigures holds the numbers of mutations and of known classes of bugs in HOW-WE-KNOW.md to what there is: each fence and each flush
// has a mutation, and each rule of crash consistency.
func TestFigures(t *testing.T) {
	text, err := os.ReadFile("../../HOW-WE-KNOW.md")
	if err != nil {
		t.Fatal(err)
	}
	mutations := 2*len(pmem.Sites()) + len(mutation.Rules())
	for _, row := range []string{
		fmt.Sprintf("| mutations | %d taken away, %d noticed |", mutations, mutations),
		fmt.Sprintf("| known classes of bugs | %d put in, %d seen |", len(knownBugs), len(knownBugs)),
	} {
		if !strings.Contains(string(text), row) {
			t.Errorf("HOW-WE-KNOW.md has no row %q", row)
		}
	}
}
