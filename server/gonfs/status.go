package gonfs

import (
	"errors"

	"pmemfs/pmemfs"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

type status = nfswire.Status

// errPanic stands for a panic in a call that go-nfs made into this package.
var errPanic = errors.New("gonfs: panic while serving a request")

// statusOf maps an engine's or adapter's error to the protocol's.
func statusOf(err error) status {
	if errors.Is(err, errPanic) {
		return nfswire.ErrServerFault
	}
	return nfswire.StatusOf(err)
}

// putWcc writes wcc_data. The attributes before the operation are sent only if nothing but this operation came between
// them and those after it, which the change counter tells: what go-nfs does is several calls of the engine.
func putWcc(e *rpc.Encoder, fsid uint64, pre, post *pmemfs.Attr) {
	if pre == nil || post == nil || pre.Handle != post.Handle || post.Change != pre.Change+1 {
		pre = nil
	}
	nfswire.PutWcc(e, fsid, pre, post)
}
