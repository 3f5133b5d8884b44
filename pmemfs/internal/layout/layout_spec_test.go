package layout

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// TestSpecConstants compares the table of sizes with the constants.
func TestSpecConstants(t *testing.T) {
	want := map[string]uint64{
		"BlockSize": BlockSize, "LineSize": LineSize, "GroupBits": GroupBits, "InodeGroupBlocks": InodeGroupBlocks, "InodeSize": InodeSize,
		"InlineSize": InlineSize, "ExtentSize": ExtentSize, "ExtentPayload": ExtentPayload, "ExtentMaxLen": ExtentMaxLen,
		"HeadSize": HeadSize, "RecordHeader": RecordHeader, "EntryHeader": EntryHeader, "RequestNoteSize": RequestNoteSize, "BulkSize": BulkSize, "NodeCapacity": NodeCapacity,
		"PayloadMax": PayloadMax, "MaxHeight": MaxHeight, "NameMax": NameMax, "XattrNameMax": XattrNameMax,
		"XattrInlineMax": XattrInlineMax, "XattrValueMax": XattrValueMax, "LabelMax": LabelMax, "ACLEntries": ACLEntries, "MinBlocks": MinBlocks,
		"MinRingBlocks": MinRingBlocks, "MaxRingBlocks": MaxRingBlocks, "SumSize": SumSize, "SumBlocks": SumBlocks,
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\d+) \\|").FindAllStringSubmatch(spec(t), -1) {
		if v, ok := want[row[1]]; !ok || fmt.Sprint(v) != row[2] {
			t.Errorf("SPEC.md says that %s is %s, layout says %d", row[1], row[2], v)
		}
		delete(want, row[1])
	}
	for name := range want {
		t.Errorf("SPEC.md does not list %s", name)
	}
}

// TestSpecOffsets adds up every table of offsets: each field begins where the one before ends, and each structure has the
// size that the constants give it.
func TestSpecOffsets(t *testing.T) {
	row := regexp.MustCompile(`^\| (\d+) \| (\d+)? ?(each|-\d+)? ?\| `)
	ends := []int{BlockSize, BlockSize, HeadSize, lostHead, RecordHeader, EntryHeader, RequestNoteSize, InodeSize, nodeHeader, direntHead, ExtentPayload, xattrHead, aclEntry,
		SnapshotState, snapshotHead, shardTableHead, ShardSize, KeptPayload,
		QuotaStateSize, AccountPayload, SlotBlockPayload, accountCopySize}
	table, at := -1, 0
	finish := func() {
		if table >= 0 && table < len(ends) && at != ends[table] {
			t.Errorf("table %d of SPEC.md ends at %d, expected %d", table, at, ends[table])
		}
	}
	for line := range strings.Lines(spec(t)) {
		if strings.HasPrefix(line, "| offset |") {
			finish()
			table, at = table+1, 0
			continue
		}
		m := row.FindStringSubmatch(line)
		if m == nil || table < 0 {
			continue
		}
		var off, size int
		if _, err := fmt.Sscan(m[1], &off); err != nil {
			t.Fatal(err)
		}
		if off != at {
			t.Errorf("%s: begins at %d, the field before ends at %d", strings.TrimSpace(line), off, at)
		}
		if m[2] == "" || m[3] != "" { // to the end, or many
			if table == 0 {
				at = BlockSize
			}
			continue
		}
		if _, err := fmt.Sscan(m[2], &size); err != nil {
			t.Fatal(err)
		}
		at = off + size
	}
	finish()
	if table != len(ends)-1 {
		t.Errorf("SPEC.md has %d tables of offsets, expected %d", table+1, len(ends))
	}
}

// TestSpecInode compares the rows of SPEC.md's table of an inode with the offsets by which the accessors find its fields.
func TestSpecInode(t *testing.T) {
	want := []struct {
		off  int
		text string
	}{
		{0, "checksum"}, {offMagic, "magic"}, {offMode, "mode"}, {offIno, "its own number"}, {offGen, "generation"}, {offUID, "owner"},
		{offGID, "group"}, {offNlink, "links"}, {offFlags, "flags"}, {offSize, "size"}, {offBlocks, "blocks"}, {offChange, "change counter"},
		{offAtime, "access time"}, {offMtime, "modification time"}, {offCtime, "change time"}, {offBtime, "birth time"},
		{offParent, "inode number of the parent"}, {offMajor, "major number"}, {offMinor, "minor number"}, {offVerifier, "verifier"},
		{offBirth, "birth epoch"}, {offProject, "project id"}, {offDataHeight, "height of the data tree"},
		{offXattrHeight, "height of the attribute tree"}, {offInlineCount, "number of inline extents"},
		{offDataRoot, "root block of the data tree"}, {offXattrRoot, "root block of the attribute tree"}, {offReserved, "zero"}, {inlineStart, "inline"},
	}
	_, table, found := strings.Cut(spec(t), "| offset | size | field |\n|---|---|---|\n| 0 | 4 | checksum over the other 252 bytes")
	if !found {
		t.Fatal("SPEC.md has no table of an inode")
	}
	table, _, _ = strings.Cut("| 0 | 4 | checksum"+table, "\n\n")
	rows := regexp.MustCompile(`(?m)^\| (\d+) \| \d+ \| (.*)$`).FindAllStringSubmatch(table, -1)
	if len(rows) != len(want) {
		t.Fatalf("SPEC.md has %d fields of an inode, expected %d", len(rows), len(want))
	}
	for i, w := range want {
		if rows[i][1] != fmt.Sprint(w.off) || !strings.HasPrefix(rows[i][2], w.text) {
			t.Errorf("SPEC.md says %q at %s, the accessors have %q at %d", rows[i][2], rows[i][1], w.text, w.off)
		}
	}
}
