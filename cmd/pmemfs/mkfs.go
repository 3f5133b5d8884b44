package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"pmemfs/pmemfs"
	"pmemfs/server"
)

// mkfsFlags are the options of mkfs.
type mkfsFlags struct {
	bytes               size
	owner               ownerFlags
	force, sums, asJSON bool
	label, from         string
}

func newMkfs() *cobra.Command {
	var f mkfsFlags
	cmd := &cobra.Command{
		Use:   "mkfs IMAGE [--size SIZE] [--from FILES]",
		Short: "Make a filesystem in a new file or on a device, empty or with files",
		Long: `Make an empty filesystem in a new file, or on a device that holds nothing.

The file's blocks are really allocated, so that a full disk is met now and not later. Whatever exists already is
refused: an image, other data, and always what is in use. With --force it is replaced, once the new image is whole: until then
there must be room for both. A command that fails or is killed changes nothing, except on a device. One that is killed may leave
a hidden .draft file behind, where the disk's filesystem cannot make files without a name.

With --from FILES the new filesystem has the files of a folder, of a tar archive (also one that gzip has compressed) or of an
archive on standard input (-), with owners, modes, times, extended attributes, access control lists, hard links, devices and holes. Without
--size it is as large as they need, and an eighth more. A name that leads out of the tree, or that comes twice, is an error, and then no image is
made.

With --data-checksums what is read from a file is what was written to it, or an error: damage in memory is not passed on.
The checksums take a thousandth of the space, and time: docs/damage.md has figures. Metadata has checksums always.`,
		Example: `  pmemfs mkfs fs.img --size 64GiB
  pmemfs mkfs /dev/dax0.0                       all of a device
  pmemfs mkfs fs.img --size 1GiB --root-owner 1000:1000
  pmemfs mkfs site.img --from public/
  docker export web | pmemfs mkfs web.img --size 1GiB --from -
  pmemfs mkfs old.img --size 1GiB --force       lose what is in old.img`,
		Args: oneImage,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	cmd.Flags().Var(&f.bytes, "size", "size of the image, such as 64GiB, 512MiB or a number of bytes; not needed for a device")
	cmd.Flags().StringVar(&f.from, "from", "", "files to begin with: a folder, a tar archive, or - for one on standard input")
	cmd.Flags().BoolVar(&f.force, "force", false, "overwrite what is there")
	cmd.Flags().BoolVar(&f.sums, "data-checksums", false, "keep a checksum of each block of file data and verify it on every read")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print what info --json prints")
	cmd.Flags().StringVar(&f.label, "label", "", "a name to recognise the filesystem by")
	f.owner.add(cmd.Flags())
	return cmd
}

// run makes the filesystem.
func (f *mkfsFlags) run(cmd *cobra.Command, path string) error {
	for _, name := range []string{"root-owner", "root-mode", "label", "from"} {
		if o := cmd.Flags().Lookup(name); o.Changed && o.Value.String() == "" {
			return fmt.Errorf("--%s is empty: leave it out for the default", name)
		}
	}
	o, err := f.owner.parse()
	if err != nil {
		return err
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	source := fromSource{f.from, path, cmd.InOrStdin(), ctx}
	bytes, err := f.size(path, &source)
	if err != nil {
		return err
	}
	format := server.NewImage{Size: bytes, Owner: o, Progress: progress(cmd, "allocating")}.FormatOptions()
	format.Force, format.Label, format.DataChecksums = f.force, f.label, f.sums
	if f.from != "" {
		format.Fill = func(fs *pmemfs.FS) error { return source.fill(fs, f.owner.change(cmd, o), progress(cmd, "filling")) }
	}
	if err := pmemfs.Format(path, format); errors.Is(err, pmemfs.ErrExist) {
		return fmt.Errorf("%w: --force replaces it", err)
	} else if errors.Is(err, pmemfs.ErrLocked) {
		return fmt.Errorf("%w: stop its server first; a new filesystem replaces all that is in it", err)
	} else if err != nil {
		return err
	}
	info, err := pmemfs.ReadInfo(path)
	if err != nil {
		return err
	}
	if f.asJSON {
		return printJSON(cmd.OutOrStdout(), info)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, %s free, %s (%s)\n", path, formatBytes(info.SizeBytes), formatBytes(info.FreeBytes), info.Domain, info.DomainReason)
	return err
}

// size is how large the filesystem becomes: 0 for all of a device.
func (f *mkfsFlags) size(path string, source *fromSource) (int64, error) {
	st, err := os.Stat(path)
	switch {
	case f.bytes != 0 || err == nil && st.Mode()&os.ModeDevice != 0:
		return int64(f.bytes), nil
	case f.from == "":
		return 0, fmt.Errorf("%s: give the size of the new image, for example --size 1GiB", path)
	case err == nil && st.Size() > 0 && !f.force:
		return pmemfs.MinSize, nil // it is refused, and nobody waits until all files are counted
	}
	return source.size()
}
