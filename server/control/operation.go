package control

import (
	"context"
	"net/http"
	"reflect"

	"pmemfs/pmemfs"
)

// Image is what an operation works on.
type Image struct {
	FS      *pmemfs.FS
	Serving func() Serving // nil where a command has opened the image by itself
	Running Running        // nil there too
	// Steering is nil where there is nothing to steer.
	Steering *Steering
}

// Serving is what is known of a running server.
type Serving struct {
	PID         int             `json:"pid" doc:"process"`
	StartedNS   int64           `json:"started_ns" doc:"when it started"`
	Control     string          `json:"control" doc:"path of this socket"`
	NFS         string          `json:"nfs" doc:"address of NFS"`
	NineP       []string        `json:"nine_p" doc:"addresses of 9P"`
	Exports     []string        `json:"exports" doc:"names of the exports"`
	MemoryBytes int64           `json:"memory_bytes" doc:"the most that requests of all clients take"`
	Counters    pmemfs.Counters `json:"counters" doc:"since the start"`
}

// None is the request of an operation that has no parameters, or the reply of one that has nothing to say.
type None struct{}

// Operation is something that can be done to an open image.
//
// The parameters of GET and DELETE are in the URL's query, so the fields of their Req are text, numbers and truth values; POST has
// a body. What GET does changes nothing.
type Operation[Req, Resp any] struct {
	Method  string
	Path    string
	Summary string
	Public  bool // whoever may look at the admin port may know the reply
	Whole   bool // it is about the server as a whole, whatever image it serves
	Local   bool // it is for the socket alone, and nobody reaches it over TCP
	// Again says what becomes of a request that is sent twice, for clients to which the answer has not come. Empty: it changes nothing.
	Again string
	// Do does it. It stops when ctx ends, where it can. Its errors are the engine's, or an *Error.
	Do func(ctx context.Context, i Image, req Req) (Resp, error)
}

// Reads reports whether the operation changes nothing.
func (o Operation[Req, Resp]) Reads() bool { return o.Method == http.MethodGet }

// route is an Operation of any types.
type route interface {
	about() (method, path, summary string)
	public() bool
	ofServer() bool
	local() bool
	again() string
	types() (request, reply reflect.Type)
	answer(ctx context.Context, i Image, r *http.Request) (any, error)
}

func (o Operation[Req, Resp]) about() (method, path, summary string) {
	return o.Method, o.Path, o.Summary
}

func (o Operation[Req, Resp]) public() bool { return o.Public && o.Reads() }

func (o Operation[Req, Resp]) ofServer() bool { return o.Whole }

func (o Operation[Req, Resp]) local() bool { return o.Local }

func (o Operation[Req, Resp]) again() string { return o.Again }

func (o Operation[Req, Resp]) types() (request, reply reflect.Type) {
	return reflect.TypeFor[Req](), reflect.TypeFor[Resp]()
}

func (o Operation[Req, Resp]) answer(ctx context.Context, i Image, r *http.Request) (any, error) {
	var req Req
	if err := decode(r, &req); err != nil {
		return nil, err
	}
	return o.Do(ctx, i, req)
}

// operations are all that there are, in the order of docs/api.md.
var operations = []route{
	Schema,
	Info,
	GetStatus,
	GetClients,
	GetLocks,
	GetTraffic,
	GetEvents,
	QuotaList,
	QuotaSet,
	QuotaRemove,
	QuotaSetGrace,
	QuotaCheck,
	QuotaRecount,
	SnapshotList,
	SnapshotCreate,
	SnapshotDelete,
	SnapshotKeep,
	SnapshotRelease,
	SnapshotRollback,
	SnapshotDiff,
	StartSnapshotCheck,
	StartScrub,
	GetJobs,
	CancelJob,
	Grow,
	FilesList,
	FilesRemove,
	FilesRead,
	FilesWrite,
	Configuration,
	Reload,
}

// Public reports whether what GET answers at a path may be known to whoever may look at the admin port.
func Public(path string) bool {
	for _, o := range operations {
		if _, at, _ := o.about(); at == path && o.public() {
			return true
		}
	}
	return false
}

// Call asks a server to carry out the operation.
//
// Errors: an *Error is the operation's; all others mean that the server could not be asked, or that its answer did not arrive.
func (o Operation[Req, Resp]) Call(ctx context.Context, c *Client, req Req) (resp Resp, err error) {
	return resp, c.do(ctx, o.Method, o.Path, req, &resp)
}
