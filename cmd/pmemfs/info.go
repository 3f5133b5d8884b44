package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"pmemfs/pmemfs"
	"pmemfs/server"
	"pmemfs/server/control"
)

func newInfo() *cobra.Command {
	var asJSON bool
	var reach controlFlags
	cmd := &cobra.Command{
		Use:   "info IMAGE",
		Short: "Describe an image",
		Long: `Describe an image: its size, its state, and the persistence domain that serving it here would have.
The image is not changed and may be in use. If it is served, the figures are those of the server.`,
		Example: `  pmemfs info fs.img
  pmemfs info fs.img --json`,
		Args: oneImage,
		RunE: func(cmd *cobra.Command, args []string) error {
			info, why, err := readInfo(cmd.Context(), reach, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), info)
			}
			return printInfo(cmd.OutOrStdout(), info, why)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	reach.add(cmd.Flags())
	return cmd
}

// readInfo asks the server of an image, or else looks at the image. why says why a server that has the image could not be asked.
func readInfo(ctx context.Context, reach controlFlags, image string) (info control.InfoReply, why error, err error) {
	if client, cause := control.Dial(ctx, image, reach.place); cause != nil {
		why = cause
	} else if info, why = control.Info.Call(ctx, client, control.None{}); why == nil {
		info.Path = image
		return info, nil, nil
	}
	info.Info, err = pmemfs.ReadInfo(image)
	if !info.InUse {
		why = nil // nobody has it
	}
	return info, why, err
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// scrubLine says when the image was scrubbed and what was found.
func scrubLine(s pmemfs.ScrubStatus) string {
	if s.Partial {
		return fmt.Sprintf("begun %s, %s read, %s so far", time.Unix(0, s.Began).Format(time.RFC3339), formatBytes(s.Bytes), count(s.Findings, "finding"))
	}
	if s.Passes == 0 {
		return "never"
	}
	return fmt.Sprintf("%s, %s", time.Unix(0, s.Ended).Format(time.RFC3339), count(s.Findings, "finding"))
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

// controlLine says how commands reach the server.
func controlLine(i control.InfoReply, why error) string {
	if i.Server != nil {
		return i.Server.Control
	}
	if why != nil {
		return fmt.Sprintf("none that answers: %v", why)
	}
	return ""
}

// memoryRow says what requests may take of the server, or would of one that is started here.
func memoryRow(i control.InfoReply) [2]string {
	if i.Server != nil {
		return [2]string{"serving takes", fmt.Sprintf("at most %s for requests", formatBytes(uint64(i.Server.MemoryBytes)))}
	}
	memory, of := server.DefaultMemory()
	return [2]string{"serving takes", fmt.Sprintf("at most %s for requests here, by %s (serve --memory)", formatBytes(uint64(memory)), of)}
}

func printInfo(w io.Writer, i control.InfoReply, why error) error {
	state := "closed in order"
	switch {
	case i.Server != nil:
		state = fmt.Sprintf("served by process %d since %s", i.Server.PID, time.Unix(0, i.Server.StartedNS).Format(time.RFC3339))
	case i.InUse:
		state = "in use"
	case !i.Clean:
		state = fmt.Sprintf("not closed in order: the next start replays %s", count(i.ReplayRecords, "record"))
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
		{"control", controlLine(i, why)},
		{"starts", fmt.Sprint(i.Epoch)},
		{"domain", fmt.Sprintf("%s (%s)", i.Domain, i.DomainReason)},
		{"durability", i.Durability},
		{"features", features(i.Features)},
		{"data checksums", yesNo(i.DataChecksums)},
		{"last scrub", scrubLine(i.Scrub)},
	}
	rows = append(rows, memoryRow(i))
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		if row[1] != "" {
			fmt.Fprintf(t, "%s\t%s\n", row[0], row[1])
		}
	}
	return t.Flush()
}

// features says which features an image has that older programs may not know.
func features(list []string) string {
	if len(list) == 0 {
		return "none: every version can use it"
	}
	return strings.Join(list, ", ")
}
