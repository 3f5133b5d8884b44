package config

import (
	"fmt"
	"slices"

	"pmemfs/server/export"
)

// Wider refuses what a reload would open by leaving something out: a file that was cut short, or a line that was lost, must not admit anybody. What
// an export is to allow more than before its stanza has to say, and one that was not there its name: without one it would be the whole filesystem.
//
// Errors: one that names the export, and what to write.
func (i *Image) Wider(before []export.Export) error {
	for x := range i.Exports {
		next := &i.Exports[x]
		if next.Settings["name"] == nil && !slices.ContainsFunc(before, func(e export.Export) bool { return e.Name == next.Name }) {
			return fmt.Errorf("export %q was not there before, and does not say so: write name = %q", next.Name, next.Name)
		}
		for j := range before {
			if before[j].Name != next.Name {
				continue
			}
			for _, w := range wider(&before[j], &next.Export) {
				if next.Settings[w.key] == nil {
					return fmt.Errorf("export %q would allow more than before, and does not say so: write %s", next.Name, w.say)
				}
			}
		}
	}
	return nil
}

// widening is a key by which an export allows more than before where it is left out, and what would say so.
type widening struct{ key, say string }

func wider(before, next *export.Export) (all []widening) {
	add := func(is bool, key, value string) {
		if is {
			all = append(all, widening{key, key + " = " + value})
		}
	}
	add(len(before.Clients) > 0 && len(next.Clients) == 0, "clients", `["0.0.0.0/0", "::/0"]`)
	add(before.ReadOnly && !next.ReadOnly, "read_only", "false")
	add(before.SecurePort && !next.SecurePort, "secure_port", "false")
	add(before.Squash == export.SquashAll && next.Squash != export.SquashAll, "squash", fmt.Sprintf("%q", next.Squash))
	add(before.Snapshots == export.SnapshotsDisabled && next.Snapshots != export.SnapshotsDisabled, "snapdir", fmt.Sprintf("%q", next.Snapshots))
	add(before.Subtree != next.Subtree, "subtree", fmt.Sprintf("%q", next.Subtree))
	return all
}
