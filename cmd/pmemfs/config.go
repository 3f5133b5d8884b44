package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pmemfs/server/config"
	"pmemfs/server/control"
)

func newConfig() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Explain, check and show the configuration of serve",
		Long: `Explain, check and show the configuration of serve. None of these commands touches an image.

A configuration comes from the options of serve, from variables of the environment, and from a file. An option counts more than a
variable, and that more than the file.`,
		Example: `  pmemfs config init >pmemfs.toml
  pmemfs config check pmemfs.toml
  pmemfs config show --config pmemfs.toml --log-level debug
  pmemfs config show fs.img                          of the server that serves it`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigInit(), newConfigCheck(), newConfigShow(), newConfigSchema())
	return cmd
}

func newConfigInit() *cobra.Command {
	var several bool
	cmd := &cobra.Command{
		Use:     "init",
		Short:   "Print an example that explains every key",
		Long:    `Print a configuration file that explains every key. All keys are commented out, so it says nothing until that is changed.`,
		Example: `  pmemfs config init >pmemfs.toml`,
		Args:    takes(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), config.Example(several))
			return err
		},
	}
	cmd.Flags().BoolVar(&several, "several", false, "of several images in one server")
	return cmd
}

func newConfigSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print a JSON Schema of the file, for editors",
		Long: `Print a JSON Schema (draft 2020-12) of the configuration file. Editors that know TOML and schemas complete keys with it, and mark
mistakes: put "#:schema ./pmemfs.schema.json" into the first line of the file.`,
		Example: `  pmemfs config schema >pmemfs.schema.json`,
		Args:    takes(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := config.JSONSchema()
			if err == nil {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", text)
			}
			return err
		},
	}
}

func newConfigCheck() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Look for mistakes in a configuration file",
		Long: `Look for mistakes in a configuration file, and print all of them; or what the file would serve, if it has none. No image is touched, and
variables of the environment count only where the file names them.`,
		Example: `  pmemfs config check pmemfs.toml`,
		Args:    takes(1, 1, "one file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := checked(args[0])
			var mistakes config.Mistakes
			if err != nil && !errors.As(err, &mistakes) {
				return err
			}
			if asJSON {
				if err := printJSON(cmd.OutOrStdout(), checkReport(mistakes)); err != nil {
					return err
				}
			}
			if len(mistakes) > 0 {
				for _, m := range mistakes {
					if !asJSON {
						fmt.Fprintln(cmd.OutOrStdout(), m)
					}
				}
				return fmt.Errorf("%s: %d %s", args[0], len(mistakes), plural(len(mistakes), "mistake"))
			}
			if !asJSON {
				printWouldServe(cmd.OutOrStdout(), args[0], f)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// plural is a word, with an s unless there is one of it.
func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// checked is what a file alone puts in force.
//
// Errors: config.Mistakes, and what the server would refuse.
func checked(path string) (*config.InForce, error) {
	file, err := config.Read(path, os.LookupEnv)
	var mistakes config.Mistakes
	if err != nil && !errors.As(err, &mistakes) {
		return nil, err
	}
	if mistakes = append(mistakes, file.Strangers(isKnown)...); len(mistakes) > 0 {
		slices.SortStableFunc(mistakes, func(a, b *config.Mistake) int { return a.Line - b.Line })
		return nil, mistakes
	}
	f, err := config.Resolve(file, nil, nil, "")
	if err != nil {
		return nil, err
	}
	c, err := serverConfig(f, silent)
	if err = errors.Join(err, c.Vet()); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") { // errors that are joined have one each
			mistakes = append(mistakes, &config.Mistake{File: path, Text: line})
		}
		return nil, mistakes
	}
	return f, nil
}

// isKnown is an error if this machine has no number for whose quota it is.
func isKnown(q *config.Quota) error {
	_, err := quotaOf(q)
	return err
}

// reportedMistake is a mistake as JSON has it.
type reportedMistake struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Key     string `json:"key,omitempty"`
	Message string `json:"message"`
}

func checkReport(mistakes config.Mistakes) any {
	list := []reportedMistake{}
	for _, m := range mistakes {
		list = append(list, reportedMistake{m.File, m.Line, m.Key, m.Text})
	}
	return struct {
		Mistakes []reportedMistake `json:"mistakes"`
	}{list}
}

// printWouldServe says what a configuration would serve.
func printWouldServe(w io.Writer, path string, f *config.InForce) {
	fmt.Fprintf(w, "%s: no mistakes; it would serve on %s\n", path, config.Get[string](f.Server, "nfs"))
	for n := range f.Images {
		i := &f.Images[n]
		fmt.Fprintf(w, "  image %s\n", config.Get[string](i.Settings, "path"))
		for x := range i.Exports {
			fmt.Fprintf(w, "    export %s\n", config.Word(&i.Exports[x].Export))
		}
		for x := range i.Snapshots {
			fmt.Fprintf(w, "    snapshots %s every %v\n", i.Snapshots[x].Prefix, i.Snapshots[x].Every)
		}
		for x := range i.Quotas {
			fmt.Fprintf(w, "    quota of %s\n", i.Quotas[x].Whose())
		}
	}
}

func newConfigShow() *cobra.Command {
	f := newServeFlags()
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show [IMAGE]",
		Short: "Show what is in force, and where each value comes from",
		Long: `Show the configuration that serve would have with the same options, the same environment and the same file, and where each value comes
from: the default, a line of the file, a variable, or an option.

With an IMAGE it is the configuration of the server that serves it, which is reached as --control says. Secrets are not shown.`,
		Example: `  pmemfs config show --config pmemfs.toml
  pmemfs config show fs.img --json`,
		Args: takes(0, 1, "at most one image"),
		RunE: func(cmd *cobra.Command, args []string) error {
			reply, err := shown(cmd, f, args)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), reply)
			}
			return printConfiguration(cmd.OutOrStdout(), reply)
		},
	}
	f.add(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// shown is the configuration of a server that runs, or the one that serve would have.
func shown(cmd *cobra.Command, f *serveFlags, args []string) (reply control.ConfigurationReply, err error) {
	words := f.words()
	place := ""
	for k, texts := range words {
		if k.Name == "control" {
			place = texts[0]
		}
	}
	if len(args) == 1 {
		if len(words) > 0 && (place == "" || len(words) > 1) {
			return reply, errors.New("a server that runs has its options already: give the image alone, or with --control")
		}
		client, err := (&watchFlags{reach: controlFlags{place}}).client(cmd.Context(), args)
		if err != nil {
			return reply, err
		}
		return control.Configuration.Call(cmd.Context(), client, control.None{})
	}
	from, err := f.sources(nil)
	if err != nil {
		return reply, err
	}
	_, now, err := from.load()
	if err != nil {
		return reply, err
	}
	return describe(from.file, now.Items()), nil
}

// printConfiguration prints a configuration as a table.
func printConfiguration(w io.Writer, reply control.ConfigurationReply) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	image := ""
	fmt.Fprintln(t, "KEY\tVALUE\tFROM")
	for _, v := range reply.Values {
		if v.Image != image {
			image = v.Image
			fmt.Fprintf(t, "image %s\t\t\n", printable(image))
		}
		key := v.Key
		if v.Of != "" {
			key = v.Table + " " + v.Of + " " + v.Key
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", printable(key), printable(v.Value), printable(v.From))
	}
	return t.Flush()
}
