package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "pmemfs",
		Short: "A filesystem on persistent memory, served over NFS and 9P",
		Long: `pmemfs turns persistent memory (a devdax device, a file on a DAX filesystem) or any ordinary
file into a POSIX filesystem and serves it over NFSv3 and 9P2000.L. It needs no root, no kernel module and no portmapper.`,
		Example: `  pmemfs serve                          make ./pmemfs.img if it is missing, and serve it on 127.0.0.1:2049
  pmemfs mkfs fs.img --size 64GiB       make an image
  pmemfs grow fs.img --size 1TiB        make it larger, also while it is served
  pmemfs check fs.img                   look for damage
  pmemfs scrub fs.img                   read everything, file data too`,
		Version:       readBuild().line(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().BoolP(quietFlag, "q", false, "do not say how far something is")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetHelpCommand(newHelp())
	root.AddCommand(newServe(), newMkfs(), newInfo(), newGrow(), newCheck(), newScrub(), newLs(), newTree(), newStat(), newCat(), newGet(), newPut(),
		newRm(), newTar(), newSnapshot(), newQuota(), newConfig(), newReload(), newStatus(), newClients(), newLocks(), newTop(), newJobs(),
		newHealth(), newBench(), newVersion())
	return root
}

// newHelp is the usual help command, and fails for what there is no help about.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Say how a command is used",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return fmt.Errorf("no help about %q: pmemfs help lists the commands", strings.Join(args, " "))
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// takes demands so many arguments; most is -1 for any number. what says which.
func takes(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			name := strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
			return fmt.Errorf("%s takes %s, not %d %s: %s", name, what, len(args), plural(len(args), "argument"), cmd.UseLine())
		}
		return nil
	}
}

// oneImage demands exactly one argument.
func oneImage(cmd *cobra.Command, args []string) error {
	if len(args) == 1 && args[0] == "" {
		return errors.New("no image is named")
	}
	return takes(1, 1, "one image")(cmd, args)
}
