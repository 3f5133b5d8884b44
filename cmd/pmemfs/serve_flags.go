package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"pmemfs/pmemfs"
	"pmemfs/server"
	"pmemfs/server/config"
	"pmemfs/server/export"
)

// serveFlags are the options of serve, and of the file that they name.
type serveFlags struct {
	configFile string
	file       config.File // what it said at the start

	size       size
	owner      ownerFlags
	log        logFlags
	nfs        string
	nineP      []string
	nineUsers  string
	control    string
	portmap    string
	register   bool
	stack      string
	durability string
	volatile   bool
	sparse     bool
	noLocks    bool
	grace      time.Duration
	scrubEvery time.Duration
	scrubRate  size
	memory     size

	exports []string
	one     oneExport
}

// oneExport is the options about the export that there is when none is named.
type oneExport struct {
	squash   string
	readOnly bool
	secure   bool
	anonUID  uint32
	anonGID  uint32
	clients  []string
}

// oneExportFlags are their names. They mean nothing where exports are named, so there they are refused.
var oneExportFlags = []string{"squash", "read-only", "secure-port", "anon-uid", "anon-gid", "clients"}

func newServeFlags() *serveFlags {
	return &serveFlags{size: defaultSize, scrubRate: defaultScrubRate}
}

func (f *serveFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.configFile, "config", "", "file in TOML that says what most of these options say, and has any number of exports")
	flags.Var(&f.size, "size", "size of a new image")
	flags.StringVar(&f.nfs, "nfs", "127.0.0.1:2049", "address to serve NFS and MOUNT on, host:port")
	flags.StringArrayVar(&f.nineP, "9p", nil,
		"address to serve 9P2000.L on too: host:port, :PORT at the address of --nfs, or unix:PATH; may be repeated (default: nowhere)")
	flags.StringVar(&f.nineUsers, "9p-users", "",
		"folder with files passwd and group that say which groups users of 9P are in (default: this machine's users)")
	flags.StringVar(&f.control, "control", "",
		"path of the socket by which commands such as grow reach this server, or "+server.ControlOff+" (default: IMAGE.sock; of a device, below /run)")
	flags.StringVar(&f.portmap, "portmap", "",
		"address to answer as a portmapper (rpcbind) on too, such as :111, which is that port at the address of --nfs (default: nowhere)")
	flags.BoolVar(&f.register, "register", false, "register with the rpcbind that runs on this machine, in place of --portmap")
	flags.StringVar(&f.stack, "nfs-stack", server.StackNative,
		"implementation of NFS: "+server.StackNative+" or "+server.StackGoNFS)
	flags.StringArrayVar(&f.exports, "export", nil,
		"an export as NAME[=SUBTREE][,ro|rw][,squash=root|all|none][,anon_uid=N][,anon_gid=N][,clients=NETWORK][,secure_port][,directory_offsets=31][,snapdir=hidden|visible|disabled]; may be repeated; SUBTREE is a directory inside the image")
	flags.StringVar(&f.one.squash, "squash", "root", "whose identity is taken away: none, root or all")
	flags.Uint32Var(&f.one.anonUID, "anon-uid", export.Anonymous, "user that squashed users become")
	flags.Uint32Var(&f.one.anonGID, "anon-gid", export.Anonymous, "group that squashed users become")
	flags.StringSliceVar(&f.one.clients, "clients", nil, "networks that may use the export, such as 10.0.0.0/8 (default: all that can connect)")
	flags.BoolVar(&f.one.readOnly, "read-only", false, "refuse all changes by clients; an image that cannot be written can then be served too")
	flags.BoolVar(&f.one.secure, "secure-port", false, "refuse clients whose port is not below 1024; macOS uses others")
	flags.StringVar(&f.durability, "durability", "power",
		"what a reply survives: power (a power cut) or process (the end of this process only, on an ordinary file)")
	flags.BoolVar(&f.volatile, "volatile", false, "flush nothing: a power cut loses all (for tests and scratch space)")
	flags.BoolVar(&f.sparse, "sparse", false,
		"serve an image that is sparse, or shares blocks with other files, as it is: writes fail when the disk below is full")
	flags.BoolVar(&f.noLocks, "no-locks", false, "leave out the lock manager of NFS: clients mount with nolock; 9P has its own locks")
	flags.DurationVar(&f.grace, "grace", server.DefaultGrace, "how long after a restart clients can claim their locks; new ones wait meanwhile")
	flags.DurationVar(&f.scrubEvery, "scrub-every", defaultScrubEvery, "how often to read everything in search of damage; 0 for never")
	flags.Var(&f.scrubRate, "scrub-rate", "how much of it to read in a second at most")
	flags.Var(&f.memory, "memory",
		"the most that requests of all clients take; beyond it they wait (default: three eighths of the control group's or machine's, at most 1GiB)")
	f.owner.add(flags)
	f.log.add(flags)
}

// config turns the command line and the file into what a server needs.
func (f *serveFlags) config(flags *pflag.FlagSet, args []string, stderr io.Writer) (server.Config, error) {
	var c server.Config
	if f.configFile != "" {
		file, err := config.Read(f.configFile)
		if err != nil {
			return c, err
		}
		f.file = *file
	}
	if err := f.filled(flags); err != nil {
		return c, err
	}
	c.NFS = choose(flags, "nfs", f.nfs, f.file.NFS)
	if c.NineP = f.nineP; !flags.Changed("9p") {
		c.NineP = f.file.NineP
	}
	c.NinePUsers = choose(flags, "9p-users", f.nineUsers, f.file.NinePUsers)
	c.Finding, c.Locking = f.finding(flags), f.locking(flags)
	if c.Memory = int64(f.memory); !flags.Changed("memory") {
		c.Memory = f.file.Memory
	}
	c.NFSStack = choose(flags, "nfs-stack", f.stack, f.file.NFSStack)
	image, err := f.image(flags, args, stderr)
	c.Images = []server.ImageConfig{image}
	return c, err
}

// image is the one image that the command line and the file name.
func (f *serveFlags) image(flags *pflag.FlagSet, args []string, stderr io.Writer) (server.ImageConfig, error) {
	i := server.ImageConfig{Path: defaultImage, Volatile: f.volatile, Scrub: server.Scrubbing{Every: f.scrubEvery, Rate: int64(f.scrubRate)}}
	var err error
	if f.file.Image != "" {
		i.Path = f.file.Image
	}
	if len(args) == 1 {
		i.Path = args[0]
	}
	if i.Sparse = f.sparse; !flags.Changed("sparse") {
		i.Sparse = f.file.Sparse
	}
	i.Control = choose(flags, "control", f.control, f.file.Control)
	i.Snapshots = f.file.Snapshots
	if f.volatile && (flags.Changed("durability") || f.file.Durability != "") {
		return i, errors.New("--volatile flushes nothing, so there is no durability to choose: leave out --volatile, or the durability")
	}
	if i.Durability, err = pmemfs.ParseDurability(choose(flags, "durability", f.durability, f.file.Durability)); err != nil {
		return i, fmt.Errorf("--durability is power or process, not %q", f.durability)
	}
	if i.Exports, err = f.chooseExports(flags); err != nil {
		return i, err
	}
	i.New = server.NewImage{Size: int64(f.size), Progress: progress(stderr, "making "+i.Path)}
	i.New.Owner, err = f.owner.parse()
	return i, err
}

// mayBeEmpty are the options for which an empty value means what leaving them out does, and nothing wider.
var mayBeEmpty = map[string]bool{"clients": true} // which has its own answer

// filled refuses options that were given nothing, such as a variable that was not set: for most that would choose, or guess.
func (f *serveFlags) filled(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(o *pflag.Flag) {
		empty := o.Value.String() == ""
		if list, ok := o.Value.(pflag.SliceValue); ok {
			empty = slices.Contains(list.GetSlice(), "")
		}
		if empty && !mayBeEmpty[o.Name] && err == nil {
			err = fmt.Errorf("--%s is empty: leave it out for the default", o.Name)
		}
	})
	return err
}

// finding is how clients find the server. The command line counts more than the file here too, so that of one word in each the
// one in the file is forgotten.
func (f *serveFlags) finding(flags *pflag.FlagSet) server.Finding {
	if flags.Changed("portmap") || flags.Changed("register") {
		return server.Finding{Portmap: f.portmap, Register: f.register}
	}
	return server.Finding{Portmap: f.file.Portmap, Register: f.file.Register}
}

// locking says whether and how clients lock files: as the command line says, else the file.
func (f *serveFlags) locking(flags *pflag.FlagSet) server.Locking {
	l := server.Locking{Off: f.file.NoLocks, Grace: f.grace}
	if flags.Changed("no-locks") {
		l.Off = f.noLocks
	}
	if f.file.Grace != nil && !flags.Changed("grace") {
		l.Grace = *f.file.Grace
	}
	return l
}

// choose is the value of an option: from the command line, else from the file, else the default.
func choose(flags *pflag.FlagSet, name, flag, file string) string {
	if flags.Changed(name) || file == "" {
		return flag
	}
	return file
}

// chooseExports takes the exports from one source: the file, the --export options, or the options about one export.
func (f *serveFlags) chooseExports(flags *pflag.FlagSet) ([]export.Export, error) {
	named := len(f.exports) > 0 || len(f.file.Exports) > 0
	for _, name := range oneExportFlags {
		if named && flags.Changed(name) {
			return nil, fmt.Errorf("--%s is for the one export that there is when none is named: say it with each export", name)
		}
	}
	switch {
	case len(f.exports) > 0 && len(f.file.Exports) > 0:
		return nil, errors.New("exports are named in the file and by --export: choose one")
	case len(f.file.Exports) > 0:
		return f.file.Exports, nil
	case len(f.exports) == 0:
		e, err := f.one.export()
		return []export.Export{e}, err
	}
	var list []export.Export
	for _, word := range f.exports {
		e, err := config.ParseExport(word)
		if err != nil {
			return nil, fmt.Errorf("--export: %w", err)
		}
		list = append(list, e)
	}
	return list, nil
}

// export is the whole filesystem as the options say.
func (o *oneExport) export() (e export.Export, err error) {
	e = export.Default()
	e.ReadOnly, e.AnonUID, e.AnonGID, e.SecurePort = o.readOnly, o.anonUID, o.anonGID, o.secure
	if e.Squash, err = export.ParseSquash(o.squash); err != nil {
		return e, err
	}
	if o.clients != nil && len(o.clients) == 0 {
		return e, errors.New("--clients is empty: leave it out to admit everybody who can connect")
	}
	for _, n := range o.clients {
		p, err := export.ParseNetwork(n)
		if err != nil {
			return e, fmt.Errorf("--clients: %w", err)
		}
		e.Clients = append(e.Clients, p)
	}
	return e, nil
}
