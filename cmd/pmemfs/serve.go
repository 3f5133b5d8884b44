package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/safego"
	"pmemfs/server"
	"pmemfs/server/config"
	"pmemfs/server/rpc"
	"pmemfs/server/systemd"
)

// defaultImage is what commands are about where no image is named.
const defaultImage = config.DefaultImage

func newServe() *cobra.Command {
	f := newServeFlags()
	cmd := &cobra.Command{
		Use:   "serve [IMAGE]",
		Short: "Serve an image over NFSv3 and 9P, making it if it is missing",
		Long: `Serve an image (default ./pmemfs.img) over NFSv3, and with --9p over 9P2000.L, until interrupted. A missing image is made first; an existing
file that is no pmemfs image is refused and left alone. A reply to a client means that the change is durable.

Who may do what is decided by the client's user ids, as usual with NFS and 9P, so the default is to listen on this machine
only, and to take the client's root for nobody (--squash root). A new filesystem belongs to whoever runs this command;
if that is root, anybody may create files in it, as in /tmp.

NFS clients that are not told the ports look for them: with --portmap :111 the server answers them itself, with --register the
machine's rpcbind does. MOUNT is then served over UDP too, on the port of NFS.

With --9p the same exports are served over 9P2000.L too, on TCP, or on sockets of this machine that only root and the user who runs
this command can open.

--config names a file in TOML that says all that the options say, and has any number of images, exports, schedules of snapshots and
quotas; SIGHUP and pmemfs reload read it anew. Each option is a variable of the environment too: PMEMFS_LOG_LEVEL is --log-level, and lists have spaces.
An option counts more than a variable, and that more than the file (pmemfs config show). --squash, --read-only, --clients, --secure-port and the --anon options
are about the one export, /, that there is when neither the file nor --export names any.`,
		Example: `  pmemfs serve                                     ./pmemfs.img on 127.0.0.1:2049
  pmemfs serve fs.img --size 64GiB                 the size counts if fs.img is missing
  pmemfs serve /dev/dax0.0 --nfs 10.0.0.5:2049 --clients 10.0.0.0/24
  pmemfs serve fs.img --squash none --nfs 127.0.0.1:12049 --log-format json
  pmemfs serve fs.img --export / --export /docs=/srv/docs,ro,squash=all,clients=10.0.0.0/24
  pmemfs serve fs.img --nfs 10.0.0.5:2049 --portmap :111
  pmemfs serve fs.img --9p :564 --9p unix:/run/pmemfs.sock
  pmemfs serve --config pmemfs.toml`,
		Args: takes(0, 1, "at most one image"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	f.add(cmd.Flags())
	return cmd
}

// run serves until it is interrupted.
func (f *serveFlags) run(cmd *cobra.Command, args []string) error {
	sockets, foreign, err := systemd.Inherited() // before a file takes one of their numbers
	if err != nil {
		return err
	}
	from, err := f.sources(args)
	if err != nil {
		return err
	}
	steered, err := newSteering(from, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer steered.log.close()
	// Whoever reads the log, or what is printed at the start, may go away: that is no reason to end.
	signal.Ignore(syscall.SIGPIPE)
	c, err := serverConfig(steered.now, func(what string) func(done, total int64) { return progress(cmd, what) })
	if err != nil {
		return err
	}
	c.Logger, c.Steering, c.Sockets = steered.log.Logger, steered.control(), sockets
	if foreign {
		c.Logger.Warn("the environment tells of sockets for another process: this one listens by itself")
	}
	// Before anything can be reached, or be registered with rpcbind: who connects may already want it stopped in order.
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once, should starting or stopping in order take too long.
	safego.OnEnd(ctx, "signals", stop)
	safego.SetReport(func(p safego.Panic) {
		c.Logger.Error("a fault of pmemfs: a goroutine panicked and was ended", "goroutine", p.Name, "panic", fmt.Sprint(p.Value), "stack", string(p.Stack))
	})
	runtime.GOMAXPROCS(rpc.Processors(runtime.GOMAXPROCS(0)))
	// Before that can come: it would end the process otherwise.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	var s *server.Server
	supervised := &supervision{systemd.NewNotifier(), c.Logger}
	c.Supervise = func(ctx context.Context) { supervised.serving(ctx, s) }
	started := supervised.starting()
	s, err = server.Open(c)
	started()
	if err != nil {
		return err
	}
	server.LimitMemory(s.Memory())
	steered.steer(s, supervised.notifier)
	defer steered.onHangup(hangups)()
	var said bytes.Buffer
	announce(&said, s)
	// Nobody may read it.
	safego.Go("announcement", func() { _, _ = cmd.OutOrStdout().Write(said.Bytes()) })
	if err := s.Serve(ctx); err != nil {
		return err
	}
	for _, i := range s.Images() {
		c.Logger.Info("stopped", "image", i.Path())
	}
	return nil
}

// durabilityLine says what becomes of changes.
func durabilityLine(info pmemfs.Info) string {
	switch {
	case info.ReadOnly:
		return "open for reading only: nothing is written"
	case info.Domain == pmemfs.DomainVolatile.String():
		return fmt.Sprintf("persistence domain %s (%s): a power cut loses everything", info.Domain, info.DomainReason)
	}
	return fmt.Sprintf("persistence domain %s (%s), durability %s", info.Domain, info.DomainReason, info.Durability)
}

// announce prints what the user needs to know and to paste.
func announce(w io.Writer, s *server.Server) {
	for _, i := range s.Images() {
		announceImage(w, s, i)
	}
	for _, at := range s.NineP() {
		fmt.Fprintf(w, "9P2000.L on %s\n", at)
		for _, i := range s.Images() {
			for _, e := range i.Exports() {
				fmt.Fprintf(w, "  %-6s %s\n", "Linux:", server.NinePMountLine(at, e.Name))
			}
		}
	}
	if s.Portmap().IsValid() {
		fmt.Fprintf(w, "portmapper on %s\n", s.Portmap())
	}
	if s.Registered() {
		fmt.Fprintln(w, "registered with rpcbind")
	}
	if at := s.AdminAddr(); at.IsValid() {
		fmt.Fprintf(w, "status page, metrics and health on %s://%s/\n", s.AdminScheme(), at)
	}
	fmt.Fprintln(w, "Ctrl-C stops; unmount first.")
}

// announceImage prints what one image is, and how its exports are mounted by NFS.
func announceImage(w io.Writer, s *server.Server, i *server.Image) {
	info, addr := i.Info(), s.Addr()
	verb := "opened"
	if i.Created() {
		verb = "made"
	}
	fmt.Fprintf(w, "%s %s, %s\n", verb, info.Path, formatBytes(info.SizeBytes))
	fmt.Fprintln(w, durabilityLine(info))
	for _, e := range i.Exports() {
		access := "read-write"
		if e.ReadOnly {
			access = "read-only"
		}
		fmt.Fprintf(w, "NFSv3 export %s on %s, %s, squash %s\n", e.Name, addr, access, e.Squash)
		for _, l := range server.MountLines(addr, e.Name, s.Found()) {
			fmt.Fprintf(w, "  %-6s %s\n", l.System+":", l.Command)
		}
	}
}
