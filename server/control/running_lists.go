package control

import (
	"context"
	"net/http"

	"pmemfs/server/events"
	"pmemfs/server/traffic"
)

// LocksRequest says how many locks are wanted.
type LocksRequest struct {
	Most uint `json:"most,omitempty" doc:"how many to list at most, up to 10,000; 1,000 if it is left out"`
}

// LocksReply is locks of files.
type LocksReply struct {
	Locks []Lock `json:"locks" doc:"those that are held, and requests that wait, by image and file"`
	All   int    `json:"all" doc:"how many there are; more than are listed, if there are too many"`
}

// Lock is a lock that is held, or a request for one that waits.
type Lock struct {
	Image     string     `json:"image" doc:"path of the image"`
	File      uint64     `json:"file" doc:"number of the file, which clients see as its inode number"`
	Owner     LockHolder `json:"owner" doc:"who has it, or asks for it"`
	Exclusive bool       `json:"exclusive" doc:"a write lock"`
	Start     uint64     `json:"start" doc:"first byte"`
	End       uint64     `json:"end" doc:"last byte; 18446744073709551615 for no end"`
	Waiting   bool       `json:"waiting" doc:"it is not held, but waited for"`
	For       LockHolder `json:"for" doc:"who is in the way of a request that waits"`
}

// LockHolder is who has a lock.
type LockHolder struct {
	Protocol string `json:"protocol" doc:"nfs or 9p; empty for nobody"`
	Client   string `json:"client" doc:"its address"`
	Name     string `json:"name" doc:"what the client calls itself"`
	Process  uint32 `json:"process" doc:"number of its process, or of the owner"`
}

// locksMost bounds a list of locks.
const (
	locksUsual = 1000
	locksMost  = 10_000
)

// GetLocks lists locks.
var GetLocks = Operation[LocksRequest, LocksReply]{
	Method: http.MethodGet, Path: "/v1/locks", Summary: "Lists the locks of files in all images that the server serves, and who waits for whom.", Public: true, Whole: true,
	Do: func(_ context.Context, i Image, req LocksRequest) (LocksReply, error) {
		switch {
		case i.Running == nil:
			return LocksReply{}, errNotServed
		case req.Most == 0:
			req.Most = locksUsual
		case req.Most > locksMost:
			return LocksReply{}, badRequest("most is at most %d", locksMost)
		}
		return i.Running.Locks(int(req.Most)), nil
	},
}

// ClientsRequest says how many clients are wanted.
type ClientsRequest struct {
	Most uint `json:"most,omitempty" doc:"how many to list at most, up to 10,000; 100 if it is left out"`
}

// ClientsReply is clients and what they have asked.
type ClientsReply struct {
	Clients []traffic.Client `json:"clients" doc:"by calls, the busiest first; at the end those that are not listed, in sum, as others"`
	Others  int              `json:"others" doc:"how many are not listed"`
}

const (
	clientsUsual = 100
	clientsMost  = 10_000
)

// GetClients lists clients.
var GetClients = Operation[ClientsRequest, ClientsReply]{
	Method: http.MethodGet, Path: "/v1/clients", Summary: "Lists the clients of the server and how much they have asked.", Public: true, Whole: true,
	Do: func(_ context.Context, i Image, req ClientsRequest) (ClientsReply, error) {
		switch {
		case i.Running == nil:
			return ClientsReply{}, errNotServed
		case req.Most == 0:
			req.Most = clientsUsual
		case req.Most > clientsMost:
			return ClientsReply{}, badRequest("most is at most %d", clientsMost)
		}
		return i.Running.Clients(int(req.Most)), nil
	},
}

// GetTraffic returns what has been called.
var GetTraffic = Operation[None, traffic.Report]{
	Method: http.MethodGet, Path: "/v1/traffic", Summary: "Counts what clients have called, by protocol, procedure and export.", Public: true, Whole: true,
	Do: func(_ context.Context, i Image, _ None) (traffic.Report, error) {
		if i.Running == nil {
			return traffic.Report{}, errNotServed
		}
		return i.Running.Traffic(), nil
	},
}

// EventsReply is what the server has warned of.
type EventsReply struct {
	Events []events.Event `json:"events" doc:"the last ones"`
}

// GetEvents lists warnings and errors.
var GetEvents = Operation[None, EventsReply]{
	Method: http.MethodGet, Path: "/v1/events", Summary: "Lists the last warnings and errors of the server's log.", Public: true, Whole: true,
	Do: func(_ context.Context, i Image, _ None) (EventsReply, error) {
		if i.Running == nil {
			return EventsReply{}, errNotServed
		}
		return EventsReply{i.Running.Events()}, nil
	},
}
