package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"pmemfs/pmemfs"
	"pmemfs/server"
)

func newInfo() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "info IMAGE",
		Short: "Describe an image",
		Long: `Describe an image: its size, its state, and the persistence domain that serving it here would have.
The image is not changed and may be in use.`,
		Example: `  pmemfs info fs.img
  pmemfs info fs.img --json`,
		Args: oneImage,
		RunE: func(cmd *cobra.Command, args []string) error {
			info, err := pmemfs.ReadInfo(args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), info)
			}
			return printInfo(cmd.OutOrStdout(), info)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// scrubLine says when the image was scrubbed and what was found.
func scrubLine(s pmemfs.ScrubStatus) string {
	if s.Partial {
		return fmt.Sprintf("begun %s, %s read, %d findings so far", time.Unix(0, s.Began).Format(time.RFC3339), formatBytes(s.Bytes), s.Findings)
	}
	if s.Passes == 0 {
		return "never"
	}
	return fmt.Sprintf("%s, %d findings", time.Unix(0, s.Ended).Format(time.RFC3339), s.Findings)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// nonzero returns the number, or nothing for 0.
func nonzero(n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// portion says of how many bytes something is so, or nothing for none.
func portion(n int64, what string) string {
	if n == 0 {
		return ""
	}
	return formatBytes(uint64(n)) + " " + what
}

func printInfo(w io.Writer, i pmemfs.Info) error {
	state := "closed in order"
	switch {
	case i.InUse:
		state = "in use"
	case !i.Clean:
		state = fmt.Sprintf("not closed in order: the next start replays %d records", i.ReplayRecords)
	}
	rows := [][2]string{
		{"image", i.Path},
		{"label", i.Label},
		{"uuid", i.UUID},
		{"format", fmt.Sprint(i.FormatVersion)},
		{"created", time.Unix(0, i.Created).Format(time.RFC3339)},
		{"size", formatBytes(i.SizeBytes)},
		{"free", formatBytes(i.FreeBytes)},
		{"sparse", portion(i.SparseBytes, "have no blocks on the disk; serve allocates them")},
		{"shared", portion(i.SharedBytes, "are in blocks that other files have too; serve unshares them, where that can be")},
		{"journal", formatBytes(i.JournalBytes)},
		{"inodes", fmt.Sprint(i.UsedInodes)},
		{"bad blocks", nonzero(i.BadBlocks)},
		{"lost blocks", nonzero(i.LostBlocks)},
		{"state", state},
		{"starts", fmt.Sprint(i.Epoch)},
		{"domain", fmt.Sprintf("%s (%s)", i.Domain, i.DomainReason)},
		{"durability", i.Durability},
		{"data checksums", yesNo(i.DataChecksums)},
		{"last scrub", scrubLine(i.Scrub)},
	}
	memory, of := server.DefaultMemory()
	rows = append(rows, [2]string{"serving takes", fmt.Sprintf("at most %s for requests here, by %s (serve --memory)", formatBytes(uint64(memory)), of)})
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		if row[1] != "" {
			fmt.Fprintf(t, "%s\t%s\n", row[0], row[1])
		}
	}
	return t.Flush()
}
