package control

import (
	"context"
	"net/http"

	"pmemfs/pmemfs"
)

// GrowRequest says how large an image is to become.
type GrowRequest struct {
	SizeBytes int64 `json:"size_bytes" doc:"new size, a multiple of 4096; 0 for all that the file or device has become"`
}

// Grow makes the image larger.
var Grow = Operation[GrowRequest, pmemfs.GrowResult]{
	Method: http.MethodPost, Path: "/v1/grow", Summary: "Makes the image larger, beside its clients.",
	Again: "nothing is left to do: old_bytes and new_bytes are equal.",
	Do: func(ctx context.Context, i Image, req GrowRequest) (pmemfs.GrowResult, error) {
		return i.FS.Grow(ctx, req.SizeBytes, pmemfs.GrowOptions{})
	},
}
