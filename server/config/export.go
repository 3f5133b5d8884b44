package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"pmemfs/server/export"
)

// ParseExport reads an export in one word of a command line:
//
//	NAME[=SUBTREE][,ro|rw][,squash=root|all|none][,anon_uid=N][,anon_gid=N][,clients=NETWORK]...[,secure_port][,directory_offsets=31][,snapdir=hidden|visible|disabled]
//
// The subtree is the one of the export's own name if it is left out. Paths with a comma or an equals sign need a file.
//
// Errors: what the word lacks or has too much of, those of export.ParseSquash and export.ParseNetwork, and those of export.Export.Validate.
func ParseExport(s string) (export.Export, error) {
	e := export.Default()
	path, options, more := strings.Cut(s, ",")
	name, subtree, given := strings.Cut(path, "=")
	e.Name, e.Subtree = name, name
	if given {
		e.Subtree = subtree
	}
	said := map[string]bool{}
	for more {
		var option string
		option, options, more = strings.Cut(options, ",")
		if err := setOption(&e, option); err != nil {
			return e, fmt.Errorf("export %q: %w", s, err)
		}
		if said[option] = true; said["ro"] && said["rw"] {
			return e, fmt.Errorf("export %q: ro and rw: choose one", s)
		}
	}
	return e, e.Validate()
}

func setOption(e *export.Export, option string) (err error) {
	key, value, _ := strings.Cut(option, "=")
	switch key {
	case "ro", "rw", "secure_port":
		if option != key {
			return fmt.Errorf("%s takes no value", key)
		}
	}
	switch key {
	case "ro":
		e.ReadOnly = true
	case "rw":
		e.ReadOnly = false
	case "secure_port":
		e.SecurePort = true
	case "squash":
		e.Squash, err = export.ParseSquash(value)
	case "anon_uid":
		e.AnonUID, err = parseID(value)
	case "anon_gid":
		e.AnonGID, err = parseID(value)
	case "directory_offsets":
		var bits int
		if bits, err = strconv.Atoi(value); err == nil {
			e.ShortOffsets, err = shortOffsets(bits)
		}
	case "snapdir":
		e.Snapshots, err = export.ParseSnapshots(value)
	case "clients":
		var p netip.Prefix
		p, err = export.ParseNetwork(value)
		e.Clients = append(e.Clients, p)
	default:
		err = fmt.Errorf("unknown option %q", option)
	}
	return err
}

// shortOffsets reports whether directory offsets of so many bits are the short ones.
func shortOffsets(bits int) (bool, error) {
	if bits != 31 && bits != 63 {
		return false, fmt.Errorf("directory offsets have 31 or 63 bits, not %d", bits)
	}
	return bits == shortBits, nil
}

func parseID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not the number of a user or group", s)
	}
	return uint32(n), nil
}
