package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pmemfs/pmemfs"
	"pmemfs/server"
)

// ownerFlags are the options of commands that may make an image.
type ownerFlags struct {
	owner, mode string
}

func (f *ownerFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.owner, "root-owner", "", "owner of a new filesystem's root directory as UID:GID (default: whoever runs this)")
	flags.StringVar(&f.mode, "root-mode", "", "mode of a new filesystem's root directory in octal (default: 0755, or 1777 if root runs this, since clients' root is squashed)")
}

// change is what the options, those that were given, make of a root directory that has come with files; nil for nothing.
func (f *ownerFlags) change(cmd *cobra.Command, o *server.Owner) *pmemfs.SetAttr {
	s := pmemfs.SetAttr{UID: o.UID, GID: o.GID, Mode: o.Mode}
	if cmd.Flags().Changed("root-owner") {
		s.Mask |= pmemfs.SetUID | pmemfs.SetGID
	}
	if cmd.Flags().Changed("root-mode") {
		s.Mask |= pmemfs.SetMode
	}
	if s.Mask == 0 {
		return nil
	}
	return &s
}

// parse returns the owner of a new root directory.
func (f *ownerFlags) parse() (*server.Owner, error) {
	o := server.DefaultOwner()
	if f.owner != "" {
		uid, gid, ok := strings.Cut(f.owner, ":")
		u, err1 := strconv.ParseUint(uid, 10, 32)
		g, err2 := strconv.ParseUint(gid, 10, 32)
		if !ok || err1 != nil || err2 != nil {
			return nil, fmt.Errorf("--root-owner is UID:GID in numbers, not %q", f.owner)
		}
		o = server.Owner{UID: uint32(u), GID: uint32(g), Mode: 0o755}
	}
	if f.mode != "" {
		m, err := strconv.ParseUint(f.mode, 8, 32)
		if err != nil || m == 0 || m > 0o7777 {
			return nil, fmt.Errorf("--root-mode is an octal mode such as 0755 or 1777, not %q", f.mode)
		}
		o.Mode = uint32(m)
	}
	return &o, nil
}
