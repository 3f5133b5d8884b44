package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"pmemfs/pmemfs"
	"pmemfs/server"
)

func newMkfs() *cobra.Command {
	var (
		bytes  size
		owner  ownerFlags
		force  bool
		sums   bool
		asJSON bool
		label  string
	)
	cmd := &cobra.Command{
		Use:   "mkfs IMAGE --size SIZE",
		Short: "Make an empty filesystem in a new file or on a device",
		Long: `Make an empty filesystem in a new file, or on a device that holds nothing.

The file's blocks are really allocated, so that a full disk is met now and not later. Whatever exists already is
refused: an image, other data, and always what is in use. With --force it is replaced, once the new image is whole: until then
there must be room for both. A command that fails or is killed changes nothing, except on a device. One that is killed may leave
a hidden .draft file behind, where the disk's filesystem cannot make files without a name.

With --data-checksums what is read from a file is what was written to it, or an error: damage in memory is not passed on.
The checksums take a thousandth of the space, and time: docs/damage.md has figures. Metadata has checksums always.`,
		Example: `  pmemfs mkfs fs.img --size 64GiB
  pmemfs mkfs /dev/dax0.0                       all of a device
  pmemfs mkfs fs.img --size 1GiB --root-owner 1000:1000
  pmemfs mkfs old.img --size 1GiB --force       lose what is in old.img`,
		Args: oneImage,
		RunE: func(cmd *cobra.Command, args []string) error {
			path := args[0]
			for _, name := range []string{"root-owner", "root-mode", "label"} {
				if o := cmd.Flags().Lookup(name); o.Changed && o.Value.String() == "" {
					return fmt.Errorf("--%s is empty: leave it out for the default", name)
				}
			}
			if st, err := os.Stat(path); bytes == 0 && (err != nil || st.Mode()&os.ModeDevice == 0) {
				return fmt.Errorf("%s: give the size of the new image, for example --size 1GiB", path)
			}
			o, err := owner.parse()
			if err != nil {
				return err
			}
			format := server.NewImage{Size: int64(bytes), Owner: o, Progress: progress(cmd, "allocating")}.FormatOptions()
			format.Force, format.Label, format.DataChecksums = force, label, sums
			if err := pmemfs.Format(path, format); errors.Is(err, pmemfs.ErrExist) {
				return fmt.Errorf("%w: --force replaces it", err)
			} else if err != nil {
				return err
			}
			info, err := pmemfs.ReadInfo(path)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), info)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, %s free, %s (%s)\n", path, formatBytes(info.SizeBytes), formatBytes(info.FreeBytes),
				info.Domain, info.DomainReason)
			return nil
		},
	}
	cmd.Flags().Var(&bytes, "size", "size of the image, such as 64GiB, 512MiB or a number of bytes; not needed for a device")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite what is there")
	cmd.Flags().BoolVar(&sums, "data-checksums", false, "keep a checksum of each block of file data and verify it on every read")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what info --json prints")
	cmd.Flags().StringVar(&label, "label", "", "a name to recognise the filesystem by")
	owner.add(cmd.Flags())
	return cmd
}
