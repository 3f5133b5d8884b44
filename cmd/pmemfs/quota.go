package main

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pmemfs/pmemfs"
	"pmemfs/server/control"
)

func newQuota() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quota",
		Short: "Limit what users, groups and directory trees may use",
		Long: `Limit what users, groups and directory trees may use of an image, and see what they do use. The image may be served.

The first quota of an image turns accounting on: what is there is counted in the background. Older programs refuse the image
from then on. A limit binds the owner of a file, whoever writes to it.`,
		Example: `  pmemfs quota set fs.img --path /projects/a --bytes 10GiB
  pmemfs quota set fs.img --user alice --bytes 5GiB --soft-bytes 4GiB --files 100000
  pmemfs quota list fs.img`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newQuotaSet(), newQuotaList(), newQuotaCheck(), newQuotaRemove(), newQuotaGrace(), newQuotaRecount())
	return cmd
}

// whose says which account is meant.
type whose struct{ user, group, path string }

func (w *whose) add(flags *pflag.FlagSet) {
	flags.StringVar(&w.user, "user", "", "name or number of a user")
	flags.StringVar(&w.group, "group", "", "name or number of a group")
	flags.StringVar(&w.path, "path", "", "directory in the image: it and all below it")
}

// find returns what a server calls the account.
func (w *whose) find() (who control.QuotaWhose, err error) {
	given := 0
	for _, s := range []string{w.user, w.group, w.path} {
		if s != "" {
			given++
		}
	}
	if given != 1 {
		return who, errors.New("say whose quota: one of --user, --group and --path")
	}
	switch {
	case w.path != "":
		return control.QuotaWhose{Path: w.path}, nil
	case w.user != "":
		who.Kind = "user"
		who.ID, err = number(w.user, userNumber)
		return who, err
	}
	who.Kind = "group"
	who.ID, err = number(w.group, groupNumber)
	return who, err
}

// userNumber is the number of a user of this machine.
func userNumber(name string) (string, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return "", err
	}
	return u.Uid, nil
}

// groupNumber is the number of a group of this machine.
func groupNumber(name string) (string, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return "", err
	}
	return g.Gid, nil
}

// number returns the number that a text is, or that something of this name has.
func number(text string, lookup func(name string) (string, error)) (uint32, error) {
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		return uint32(n), nil
	}
	id, err := lookup(text)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(id, 10, 32)
	return uint32(n), err
}

func newQuotaSet() *cobra.Command {
	var who whose
	var bytes, softBytes limitSize
	var files, softFiles uint64
	var asJSON bool
	var reach controlFlags
	cmd := &cobra.Command{
		Use:   "set IMAGE",
		Short: "Limit what a user, a group, or a directory tree may use",
		Long: `Limit what a user, a group, or a directory with all below it may use. Limits that are not given stay as they are; 0 is
none. A soft limit may be exceeded for the grace time (pmemfs quota grace).

What is in a directory that gets its first quota is given to its account in the background. Nothing can be moved or linked
across the border of such a tree from then on. A directory below that has a quota of its own is not part of the outer one.`,
		Example: `  pmemfs quota set fs.img --path /projects/a --bytes 10GiB
  pmemfs quota set fs.img --group staff --files 100000`,
		Args: oneImage,
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := who.find()
			if err != nil {
				return err
			}
			if w.Path == "" && w.ID == 0 {
				return fmt.Errorf("--%s 0: quotas do not bind root, so root has none", w.Kind)
			}
			req := control.QuotaSetRequest{Kind: w.Kind, ID: w.ID, Path: w.Path}
			for name, x := range map[string]struct {
				to   **uint64
				from uint64
			}{
				"bytes": {&req.Bytes, uint64(bytes.size)}, "soft-bytes": {&req.SoftBytes, uint64(softBytes.size)},
				"files": {&req.Files, files}, "soft-files": {&req.SoftFiles, softFiles},
			} {
				if cmd.Flags().Changed(name) {
					*x.to = &x.from
				}
			}
			if req.Bytes == nil && req.SoftBytes == nil && req.Files == nil && req.SoftFiles == nil {
				return errors.New("no limit is given: --bytes, --soft-bytes, --files, --soft-files")
			}
			a, err := perform(cmd.Context(), reach, args[0], pmemfs.Options{}, control.QuotaSet, req)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), a)
			}
			return printAccounts(cmd.OutOrStdout(), []control.QuotaAccount{a}, time.Now())
		},
	}
	f := cmd.Flags()
	who.add(f)
	f.Var(&bytes, "bytes", "hard limit of bytes")
	f.Var(&softBytes, "soft-bytes", "soft limit of bytes")
	f.Uint64Var(&files, "files", 0, "hard limit of files of all types")
	f.Uint64Var(&softFiles, "soft-files", 0, "soft limit of files")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	reach.add(f)
	return cmd
}

func newQuotaRemove() *cobra.Command {
	var who whose
	var said echo
	var reach controlFlags
	cmd := &cobra.Command{
		Use:   "remove IMAGE",
		Short: "Take the limits of a user or a group away, or the quota of a directory tree",
		Long: `Take the limits of a user or a group away, or the quota of a directory tree. What is in the tree belongs to the tree around
it from then on, if that has a quota.`,
		Example: `  pmemfs quota remove fs.img --path /projects/a`,
		Args:    oneImage,
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := who.find()
			if err != nil {
				return err
			}
			_, err = perform(cmd.Context(), reach, args[0], pmemfs.Options{}, control.QuotaRemove, w)
			if err != nil {
				return err
			}
			return said.done(cmd, w)
		},
	}
	who.add(cmd.Flags())
	said.add(cmd)
	reach.add(cmd.Flags())
	return cmd
}

func newQuotaGrace() *cobra.Command {
	var kind string
	var bytes, files time.Duration
	var said echo
	var reach controlFlags
	cmd := &cobra.Command{
		Use:   "grace IMAGE",
		Short: "Set how long soft limits may be exceeded",
		Long: `Set how long soft limits may be exceeded: those of users, of groups, or of directory trees. It is a week until somebody says
otherwise. Both times are set. Those that have begun stay.`,
		Example: `  pmemfs quota grace fs.img --kind user --bytes 24h --files 24h`,
		Args:    oneImage,
		RunE: func(cmd *cobra.Command, args []string) error {
			if kind == "" {
				return errors.New("say whose: --kind user, group or tree")
			}
			if bytes <= 0 || files <= 0 {
				return errors.New("say how long, of bytes and of files: --bytes and --files, such as 24h each")
			}
			req := control.QuotaGrace{Kind: kind, BytesNS: int64(bytes), FilesNS: int64(files)}
			_, err := perform(cmd.Context(), reach, args[0], pmemfs.Options{}, control.QuotaSetGrace, req)
			if err != nil {
				return err
			}
			return said.done(cmd, req)
		},
	}
	cmd.Flags().StringVar(&kind, "kind", "", "user, group or tree")
	cmd.Flags().DurationVar(&bytes, "bytes", 0, "for soft limits of bytes")
	cmd.Flags().DurationVar(&files, "files", 0, "for soft limits of files")
	said.add(cmd)
	reach.add(cmd.Flags())
	return cmd
}

func newQuotaCheck() *cobra.Command {
	var asJSON bool
	var reach controlFlags
	cmd := &cobra.Command{
		Use:   "check IMAGE",
		Short: "Compare what accounts say with what files take",
		Long: `Compare what accounts say with what files take. Nothing is changed, and the image may be served: everybody can go on. An
account that is wrong is a fault of the image; quota recount puts it right, and so does check --repair.

Exit status: 0 all are right, 4 some are wrong, 8 could not run.`,
		Example: `  pmemfs quota check fs.img`,
		Args:    oneImage,
		RunE: func(cmd *cobra.Command, args []string) error {
			reply, err := perform(cmd.Context(), reach, args[0], pmemfs.Options{}, control.QuotaCheck, control.None{})
			if err != nil {
				return &statusError{exitCouldNot, err}
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), reply)
			} else {
				err = printDifferences(cmd.OutOrStdout(), &reply)
			}
			if n := len(reply.Differences); err == nil && n > 0 {
				err = &statusError{exitDamage, fmt.Errorf("%s: not right: %s", args[0], count(n, "account"))}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	reach.add(cmd.Flags())
	return cmd
}

func newQuotaRecount() *cobra.Command {
	var said echo
	var reach controlFlags
	cmd := &cobra.Command{
		Use:   "recount IMAGE",
		Short: "Count anew what all files take",
		Long: `Count anew what all files take. The image may be served: it is done in the background then, and quota list says while it
goes on. Nothing is limited for the first part of that time.`,
		Example: `  pmemfs quota recount fs.img`,
		Args:    oneImage,
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := perform(cmd.Context(), reach, args[0], pmemfs.Options{}, control.QuotaRecount, control.None{})
			if err != nil {
				return err
			}
			return said.done(cmd, control.None{})
		},
	}
	said.add(cmd)
	reach.add(cmd.Flags())
	return cmd
}

// limitSize is a size that may be 0, for no limit.
type limitSize struct{ size }

// Set reads it.
func (s *limitSize) Set(text string) error {
	if text == "0" {
		s.size = 0
		return nil
	}
	return s.size.Set(text)
}

// listQuotas returns all accounts, or that of the tree that a path is in.
func listQuotas(ctx context.Context, reach controlFlags, image, path string) (all control.QuotaListReply, err error) {
	for req := (control.QuotaListRequest{Path: path}); ; {
		page, err := perform(ctx, reach, image, pmemfs.Options{}, control.QuotaList, req)
		if err != nil {
			return all, err
		}
		page.Accounts = append(all.Accounts, page.Accounts...)
		if all = page; page.Next == "" {
			return all, nil
		}
		req.After = page.Next
	}
}
