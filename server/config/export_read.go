package config

import (
	"net/netip"

	"pmemfs/server/export"
)

// exports reads the exports of an image.
func (r *reader) exports(t *node, i *Image) {
	prefix := dotted(i.prefix, "export")
	lines := map[string]int{}
	for _, one := range r.tables(t, i.prefix, "export") {
		s := r.settings(one, prefix, []string{TableExport})
		e := Export{Export: exportOf(s), Settings: s, At: r.at(one.line)}
		if one.find("name") != nil && s["name"] == nil { // so the default is not its name
			continue
		}
		if before, there := lines[e.Name]; there {
			r.wrong(one.line, prefix, "two exports are named %q: the other one is on line %d", e.Name, before)
			continue
		}
		lines[e.Name] = one.line
		i.Exports = append(i.Exports, e)
	}
}

// exportOf is what settings say of an export, with defaults for the rest.
func exportOf(s Settings) export.Export {
	e := export.Default()
	if s["name"] != nil {
		e.Name = Get[string](s, "name")
	}
	if e.Subtree = Get[string](s, "subtree"); e.Subtree == "" {
		e.Subtree = e.Name
	}
	if s["anon_uid"] != nil {
		e.AnonUID = uint32(Get[int64](s, "anon_uid"))
	}
	if s["anon_gid"] != nil {
		e.AnonGID = uint32(Get[int64](s, "anon_gid"))
	}
	if squash, err := export.ParseSquash(Get[string](s, "squash")); err == nil { // else nobody says it
		e.Squash = squash
	}
	if snapdir, err := export.ParseSnapshots(Get[string](s, "snapdir")); err == nil {
		e.Snapshots = snapdir
	}
	e.Clients = List[netip.Prefix](s, "clients")
	e.ReadOnly, e.SecurePort = Get[bool](s, "read_only"), Get[bool](s, "secure_port")
	e.ShortOffsets = Get[int64](s, "directory_offsets") == shortBits
	return e
}

// shortBits is how many bits short directory offsets have.
const shortBits = 31
