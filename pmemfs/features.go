package pmemfs

import (
	"math/bits"

	"pmemfs/pmemfs/internal/layout"
)

// Feature is something that an image may have, and that older programs may not know.
type Feature struct {
	Name  string `json:"name"`
	Class string `json:"class"` // ro-compat: who does not know it can read the image; incompat: can do nothing with it
	Bit   int    `json:"bit"`
}

// Known is what this program knows of images.
type Known struct {
	Version  int       `json:"version"` // of the format
	Features []Feature `json:"features"`
}

// KnownFormat says which images this program reads and writes.
func KnownFormat() Known {
	return Known{Version: layout.FormatVersion, Features: []Feature{
		{"quotas", "ro-compat", bit(layout.ROCompatQuota)},
		{"data-checksums", "ro-compat", bit(layout.ROCompatSums)},
		{"snapshots", "incompat", bit(layout.IncompatSnapshots)},
		{"journal-entries", "incompat", bit(layout.IncompatEntries)},
	}}
}

// featuresOf are the names of the features that an image has, in the order of KnownFormat.
func featuresOf(sb *layout.Superblock) []string {
	list := []string{}
	for _, f := range KnownFormat().Features {
		set := sb.ROCompat
		if f.Class == "incompat" {
			set = sb.Incompat
		}
		if set>>f.Bit&1 != 0 {
			list = append(list, f.Name)
		}
	}
	return list
}

// bit is the number of the only bit that is set.
func bit(mask uint64) int { return bits.TrailingZeros64(mask) }
