package serverbench

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Limits of what may be asked for.
const (
	handleMax = 64 // bytes (RFC 1813 section 2.4)
	depthMax  = 1024
	connsMax  = 1024
	roundsMax = 100
	idleMax   = 100_000

	// outstandingBytesMax bounds the data that is under way in one cell; a deeper cell is cut to it.
	outstandingBytesMax = 64 << 20
)

// The protocols that are measured, one in each run.
const (
	ProtocolNFS   = "nfs3"
	ProtocolNineP = "9p"
)

// Protocols are the names of all.
var Protocols = []string{ProtocolNFS, ProtocolNineP}

// Names of the targets, in the order in which they are measured.
const (
	TargetNative = "native"
	TargetBase   = "base"
	TargetGoNFS  = "go-nfs"
	TargetMem    = "ganesha-mem"
	TargetVFS    = "ganesha-vfs"
	TargetP9     = "p9-mem"
	TargetDiod   = "diod"
)

// Targets returns all servers of a protocol that can be measured beside the echo; the base only where there is one.
func Targets(protocol string) []string {
	if protocol == ProtocolNineP {
		return []string{TargetNative, TargetBase, TargetP9, TargetDiod}
	}
	return []string{TargetNative, TargetBase, TargetGoNFS, TargetMem, TargetVFS}
}

// Commands of this program that serve: it starts itself with them.
const (
	EchoCommand  = "echo"
	P9MemCommand = "p9mem"
)

// Options select what is measured. Empty lists stand for everything.
type Options struct {
	Protocol string // one of Protocols; empty for NFS
	Pmemfs   string // the program to be measured; empty for the one beside this program, or in PATH
	Base     string // another build of it; empty for none
	Running  []Running

	Rows    []string
	Depths  []int // outstanding calls on each connection
	Conns   []int
	Targets []string
	Rounds  int
	Cell    time.Duration // how long each cell is loaded in each round
	Dir     string        // folder for images and exports, on a tmpfs
	Idle    int           // if not 0, measure only the memory that so many idle connections take

	// Spread leaves it to the system on which processors the two sides of a single connection run: see the package's comment.
	Spread bool
	// Enclosed says that the process is in namespaces of its own, where peers may be started.
	Enclosed bool
	// Progress is called now and then with a line for a person; nil for nobody.
	Progress func(string)
}

// Fill replaces what is empty by the defaults and refuses what makes no sense.
func (o *Options) Fill() error {
	if o.Protocol == "" {
		o.Protocol = ProtocolNFS
	}
	if !slices.Contains(Protocols, o.Protocol) {
		return fmt.Errorf("unknown protocol %q: protocols are %s", o.Protocol, strings.Join(Protocols, ", "))
	}
	rows := RowNames(o.Protocol)
	targets, err := o.fillRunning(Targets(o.Protocol))
	if err != nil {
		return err
	}
	if len(o.Rows) == 0 {
		o.Rows = rows
	}
	if len(o.Targets) == 0 {
		o.Targets = o.defaultTargets(targets)
	}
	if len(o.Depths) == 0 {
		o.Depths = []int{1, 16, 128}
	}
	if len(o.Conns) == 0 {
		o.Conns = []int{1, 4, 64}
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	for i, name := range o.Rows {
		o.Rows[i] = strings.ToUpper(name)
		if !slices.Contains(rows, o.Rows[i]) {
			return fmt.Errorf("unknown row %q: rows of %s are %s", name, o.Protocol, strings.Join(rows, ", "))
		}
	}
	for _, name := range o.Targets {
		if !slices.Contains(targets, name) {
			return fmt.Errorf("unknown target %q: targets of %s are %s", name, o.Protocol, strings.Join(targets, ", "))
		}
	}
	if slices.Contains(o.Targets, TargetBase) && o.Base == "" {
		return fmt.Errorf("target %q needs the path of another build: --base", TargetBase)
	}
	for flag, path := range map[string]string{"--base": o.Base, "--pmemfs": o.Pmemfs} {
		if path == "" {
			continue
		}
		if err := runnable(path); err != nil {
			return fmt.Errorf("%s: %w", flag, err)
		}
	}
	if err := within("outstanding calls", o.Depths, depthMax); err != nil {
		return err
	}
	if err := within("connections", o.Conns, connsMax); err != nil {
		return err
	}
	switch {
	case o.Rounds < 1 || o.Rounds > roundsMax:
		return fmt.Errorf("rounds are 1 to %d, not %d", roundsMax, o.Rounds)
	case o.Cell < time.Millisecond || o.Cell > time.Minute:
		return fmt.Errorf("a cell takes 1 ms to 1 min, not %s", o.Cell)
	case o.Idle < 0 || o.Idle > idleMax:
		return fmt.Errorf("idle connections are up to %d, not %d", idleMax, o.Idle)
	}
	return nil
}

// runnable refuses what is no program, before anything is started.
func runnable(path string) error {
	path, err := filepath.Abs(path)
	if err == nil {
		_, err = exec.LookPath(path)
	}
	return err
}

// defaultTargets are those that are measured where none is named. Beside a base, others would only take time.
func (o *Options) defaultTargets(all []string) []string {
	if o.Base != "" {
		return []string{TargetNative, TargetBase}
	}
	return slices.DeleteFunc(all, func(name string) bool { return name == TargetBase })
}

func within(what string, list []int, limit int) error {
	for _, n := range list {
		if n < 1 || n > limit {
			return fmt.Errorf("%s are 1 to %d, not %d", what, limit, n)
		}
	}
	return nil
}

// pinned reports whether both sides run on one processor in a cell.
func (o *Options) pinned(conns int) bool { return conns == 1 && !o.Spread }

// rowInfo is what everybody knows of an operation.
type rowInfo struct {
	name  string
	bytes int // of data in an operation
}

// The rows that are measured as a pair.
const (
	rowCreate = "CREATE"
	rowRemove = "REMOVE"
)

// rowInfos are the operations of each protocol, in the order of the table.
var rowInfos = map[string][]rowInfo{
	ProtocolNFS: {
		{name: "GETATTR"},
		{name: "LOOKUP"},
		{name: "ACCESS"},
		{name: "READ-4K", bytes: 4 << 10},
		{name: "READ-64K", bytes: 64 << 10},
		{name: "READ-1M", bytes: 1 << 20},
		{name: "WRITE-4K", bytes: 4 << 10},
		{name: "WRITE-64K", bytes: 64 << 10},
		{name: "WRITE-1M", bytes: 1 << 20},
		{name: rowCreate},
		{name: rowRemove},
		{name: "RENAME"},
		{name: "READDIRPLUS"},
	},
	ProtocolNineP: {
		{name: "GETATTR"},
		{name: "WALK"},
		{name: "READ-4K", bytes: 4 << 10},
		{name: "READ-1M", bytes: 1 << 20},
		{name: "WRITE-4K", bytes: 4 << 10},
		{name: "WRITE-1M", bytes: 1 << 20},
		{name: "CREATE+UNLINK"},
	},
}

// RowNames are the names of all rows of a protocol, in the order of the table.
func RowNames(protocol string) []string {
	infos := rowInfos[protocol]
	names := make([]string, len(infos))
	for i, r := range infos {
		names[i] = r.name
	}
	return names
}

// cut returns the depth that is possible for a row on so many connections.
func (r rowInfo) cut(conns, depth int) int {
	if r.bytes == 0 {
		return depth
	}
	return max(1, min(depth, outstandingBytesMax/(conns*r.bytes)))
}
