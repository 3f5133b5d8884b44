package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"pmemfs/pmemfs"
	"pmemfs/server/control"
	"pmemfs/server/export"
	"pmemfs/server/quotas"
	"pmemfs/server/rpc"
	"pmemfs/server/schedule"
	"pmemfs/server/systemd"
)

// The NFS stacks.
const (
	StackNative = "native" // package nfs3
	StackGoNFS  = "go-nfs" // go-nfs behind the wrapper of package gonfs
)

// Config is what a Server does.
type Config struct {
	Images []ImageConfig // what it serves

	NFS      string // address to listen on, host:port; port 0 for any
	NFSStack string // StackNative, which "" means too, or StackGoNFS
	// NinePUsers is a folder with the files passwd and group of the users of 9P; empty for the machine's own.
	NinePUsers string
	NineP      []string // addresses to serve 9P on: host:port, :port for the host of NFS, or unix:PATH; none for no 9P

	Finding  Finding  // how clients find NFS, MOUNT and the rest
	Locking  Locking  // whether and how clients lock files
	Admin    Admin    // for those who watch
	Watching Watching // who is told of single calls

	Version  string       // of the program, for those who ask
	Revision string       // of its source; empty if that is not known
	Logger   *slog.Logger // nil for none
	// Steering is what commands reload the configuration with, and see where it comes from; nil for neither.
	Steering *control.Steering
	Limits   rpc.Limits
	// Sockets are listened on in place of the addresses above. nil has none.
	Sockets *systemd.Sockets
	// Supervise is run while clients are served; nil for nothing.
	Supervise func(context.Context)
	// Memory is how much requests of all clients may take, in bytes, and at least rpc.BudgetMin; 0 for DefaultMemory. It is the worst case:
	// beyond it clients wait.
	Memory int64
}

// ImageConfig is one image, and how it is served.
type ImageConfig struct {
	Path    string   // of a file or device
	New     NewImage // used if nothing is at Path
	Exports []export.Export
	// Control is the path of the socket for commands, ControlOff for none, and empty for beside the image (control.Place).
	Control string

	Durability pmemfs.Durability
	Volatile   bool // nothing survives a power cut, by choice
	Sparse     bool // an image that has not all of its blocks, or shares some, is served as it is

	Scrub Scrubbing // the zero value for none
	// Snapshots says when to make snapshots, and which to keep. An image that cannot be written gets none.
	Snapshots []schedule.Schedule
	// Quotas are set at the start and at each reload, where they are others than the image has; those that are not named stay.
	Quotas []quotas.Quota
	Limits ImageLimits
}

// ImageLimits bound what one image may take of what all share.
type ImageLimits struct {
	// Waiters is how many calls for the image may wait at once for its medium, or for its locks; 0 for half of all that may (rpc.RoomMax). The only
	// image of a server has no bound of its own without it.
	Waiters int
}

func (l ImageLimits) vet() error {
	if l.Waiters < 0 || l.Waiters > rpc.RoomMax {
		return fmt.Errorf("limits: waiters: %d is not between 1 and %d, nor 0 for the default", l.Waiters, rpc.RoomMax)
	}
	return nil
}

// Vet refuses a configuration that could not work, without looking at an image.
//
// Errors: those of Open that it has before it does anything.
func (c *Config) Vet() error {
	_, err := c.vet()
	return err
}

// vet refuses a configuration that could not work before anything is made. It returns the exports of each image.
func (c *Config) vet() ([]*export.Set, error) {
	switch c.NFSStack {
	case "", StackNative, StackGoNFS:
	default:
		return nil, fmt.Errorf("unknown NFS stack %q: it is %s or %s", c.NFSStack, StackNative, StackGoNFS)
	}
	if err := vetAddress(c.NFS, "127.0.0.1:2049"); err != nil {
		return nil, fmt.Errorf("cannot listen on %q: %w", c.NFS, err)
	}
	if c.Memory != 0 && c.Memory < rpc.BudgetMin {
		return nil, fmt.Errorf("requests cannot do with %d bytes of memory: they take %d MiB at least", c.Memory, rpc.BudgetMin>>20)
	}
	err := errors.Join(c.Finding.vet(), c.Locking.vet(), c.vetNineP(), c.Admin.vet(), c.Watching.vet())
	if c.NFSStack == StackGoNFS && len(c.Images) > 1 {
		err = errors.Join(err, fmt.Errorf("the NFS stack %s serves one image: for several choose %s", StackGoNFS, StackNative))
	}
	sets, ierr := vetImages(c.Images)
	if err = errors.Join(err, ierr); err != nil {
		return nil, err
	}
	return sets, nil
}

// vet refuses what could not work of one image.
func (c *ImageConfig) vet() (*export.Set, error) {
	if err := errors.Join(c.Scrub.vet(), schedule.Validate(c.Snapshots), quotas.Validate(c.Quotas), c.Limits.vet()); err != nil {
		return nil, err
	}
	return export.NewSet(c.Exports)
}
