package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"pmemfs/pmemfs"
	"pmemfs/server"
	"pmemfs/server/export"
)

const (
	defaultImage = "pmemfs.img"
	defaultSize  = 1 << 30

	defaultScrubEvery = 7 * 24 * time.Hour
	defaultScrubRate  = 32 << 20 // bytes per second
)

// serveFlags are the options of serve.
type serveFlags struct {
	size       size
	owner      ownerFlags
	log        logFlags
	nfs        string
	stack      string
	squash     string
	durability string
	volatile   bool
	readOnly   bool
	anonUID    uint32
	anonGID    uint32
	allow      []string
	scrubEvery time.Duration
	scrubRate  size
}

func newServe() *cobra.Command {
	f := serveFlags{size: defaultSize, scrubRate: defaultScrubRate}
	cmd := &cobra.Command{
		Use:   "serve [IMAGE]",
		Short: "Serve an image over NFSv3, making it if it is missing",
		Long: `Serve an image (default ./` + defaultImage + `) over NFSv3 until interrupted. A missing image is made first; an existing
file that is no pmemfs image is refused and left alone. A reply to a client means that the change is durable.

Who may do what is decided by the client's user ids, as usual with NFS, so the default is to listen on this machine
only, and to take the client's root for nobody (--squash root). A new filesystem belongs to whoever runs this command;
if that is root, anybody may create files in it, as in /tmp.`,
		Example: `  pmemfs serve                                     ./pmemfs.img on 127.0.0.1:2049
  pmemfs serve fs.img --size 64GiB                 the size counts if fs.img is missing
  pmemfs serve /dev/dax0.0 --nfs 10.0.0.5:2049 --allow 10.0.0.0/24
  pmemfs serve fs.img --squash none --nfs 127.0.0.1:12049 --log-format json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			image := defaultImage
			if len(args) == 1 {
				image = args[0]
			}
			c, err := f.config(image, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			s, err := server.Open(c)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			// A second signal ends the process at once, should stopping in order take too long.
			context.AfterFunc(ctx, stop)
			announce(cmd.OutOrStdout(), s)
			if err := s.Serve(ctx); err != nil {
				return err
			}
			c.Logger.Info("stopped", "image", image)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.Var(&f.size, "size", "size of a new image")
	flags.StringVar(&f.nfs, "nfs", "127.0.0.1:2049", "address to serve NFS and MOUNT on, host:port")
	flags.StringVar(&f.stack, "nfs-stack", server.StackGoNFS, "implementation of NFS: "+server.StackGoNFS)
	flags.StringVar(&f.squash, "squash", "root", "whose identity is taken away: none, root or all")
	flags.Uint32Var(&f.anonUID, "anon-uid", export.Anonymous, "user that squashed users become")
	flags.Uint32Var(&f.anonGID, "anon-gid", export.Anonymous, "group that squashed users become")
	flags.StringSliceVar(&f.allow, "allow", nil, "networks that may use the export, such as 10.0.0.0/8 (default: all that can connect)")
	flags.BoolVar(&f.readOnly, "read-only", false, "refuse all changes by clients")
	flags.StringVar(&f.durability, "durability", "power",
		"what a reply survives: power (a power cut) or process (the end of this process only, on an ordinary file)")
	flags.BoolVar(&f.volatile, "volatile", false, "flush nothing: a power cut loses all (for tests and scratch space)")
	flags.DurationVar(&f.scrubEvery, "scrub-every", defaultScrubEvery, "how often to read everything in search of damage; 0 for never")
	flags.Var(&f.scrubRate, "scrub-rate", "how much of it to read in a second at most")
	f.owner.add(flags)
	f.log.add(flags)
	return cmd
}

// config turns the options into a server's.
func (f *serveFlags) config(image string, stderr io.Writer) (server.Config, error) {
	c := server.Config{
		Image: image, NFS: f.nfs, Stack: f.stack, Volatile: f.volatile,
		Scrub: server.Scrubbing{Every: f.scrubEvery, Rate: int64(f.scrubRate)},
	}
	var err error
	if c.Logger, err = f.log.logger(stderr); err != nil {
		return c, err
	}
	if c.Durability, err = pmemfs.ParseDurability(f.durability); err != nil {
		return c, fmt.Errorf("--durability is power or process, not %q", f.durability)
	}
	e := export.Default()
	e.ReadOnly, e.AnonUID, e.AnonGID = f.readOnly, f.anonUID, f.anonGID
	if e.Squashing, err = export.ParseSquash(f.squash); err != nil {
		return c, err
	}
	for _, network := range f.allow {
		p, err := netip.ParsePrefix(network)
		if err != nil {
			return c, fmt.Errorf("--allow %q: give a network such as 10.0.0.0/8", network)
		}
		e.Clients = append(e.Clients, p)
	}
	c.Exports = []export.Export{e}
	c.New = server.NewImage{Size: int64(f.size), Progress: progress(stderr, "making "+image)}
	c.New.Owner, err = f.owner.parse()
	return c, err
}

// announce prints what the user needs to know and to paste.
func announce(w io.Writer, s *server.Server) {
	info, addr := s.Info(), s.Addr()
	verb := "opened"
	if s.Created() {
		verb = "made"
	}
	fmt.Fprintf(w, "%s %s, %s\n", verb, info.Path, formatBytes(info.SizeBytes))
	fmt.Fprintf(w, "persistence domain %s (%s), durability %s\n", info.Domain, info.DomainReason, info.Durability)
	for _, e := range s.Exports() {
		access := "read-write"
		if e.ReadOnly {
			access = "read-only"
		}
		fmt.Fprintf(w, "NFSv3 export %s on %s, %s, squash %s\n", e.Name, addr, access, e.Squashing)
		for _, l := range server.MountLines(addr, e.Name) {
			fmt.Fprintf(w, "  %-6s %s\n", l.System+":", l.Command)
		}
	}
	fmt.Fprintln(w, "Ctrl-C stops; unmount first.")
}
