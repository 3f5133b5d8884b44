package control

import (
	"context"
	"net/http"

	"pmemfs/pmemfs"
)

// InfoReply describes an image and, where one serves it, the server.
type InfoReply struct {
	pmemfs.Info
	Server *Serving `json:"server,omitempty" doc:"the server; not there if none serves the image"`
}

// Info describes the image as it is now.
var Info = Operation[None, InfoReply]{
	Method: http.MethodGet, Path: "/v1/info", Summary: "Describes the image and its server, with figures as they are now.",
	Do: func(_ context.Context, i Image, _ None) (InfoReply, error) {
		reply := InfoReply{Info: i.FS.Info()}
		if i.Serving != nil {
			s := i.Serving()
			reply.Server = &s
		}
		return reply, nil
	},
}
