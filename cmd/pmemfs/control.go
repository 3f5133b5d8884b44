package main

import (
	"context"
	"time"

	"github.com/spf13/pflag"

	"pmemfs/pmemfs"
	"pmemfs/server/control"
)

// controlFlags are the options of commands that reach a server.
type controlFlags struct {
	place string
}

func (f *controlFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.place, "control", "", "socket of the server that serves the image (default: where serve listens unless it is told otherwise)")
}

const (
	// lookEvery is how often a server is looked for that is starting or stopping: it has the image before its socket, and after.
	lookEvery = 50 * time.Millisecond
	lookFor   = 2 * time.Second
)

// perform carries out an operation on an image, and it makes no difference to the result who does: the server that serves the image, or
// else this process, which opens it as o says (for reading only, if the operation changes nothing).
func perform[Req, Resp any](ctx context.Context, f controlFlags, image string, o pmemfs.Options, op control.Operation[Req, Resp], req Req) (resp Resp, err error) {
	o.ReadOnly = op.Reads()
	return anywhere(ctx, f, image, o,
		func(fs *pmemfs.FS) (Resp, error) { return op.Do(ctx, control.Image{FS: fs}, req) },
		func(client *control.Client) (Resp, error) { return op.Call(ctx, client, req) })
}
