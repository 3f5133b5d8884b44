package control

import (
	"context"
	"io"
	"net/http"

	"pmemfs/archive"
	"pmemfs/archive/tarball"
)

// The kinds of jobs that copy files.
const (
	JobFilesRead  = "files-read"
	JobFilesWrite = "files-write"
)

// FilesList describes a file or a directory.
var FilesList = Operation[archive.ListRequest, archive.Listing]{
	Method: http.MethodGet, Path: "/v1/files", Summary: "Describes a file and, of a directory, up to 1000 of its entries.", Local: true,
	Do: func(_ context.Context, i Image, req archive.ListRequest) (archive.Listing, error) {
		return archive.List(i.FS, req)
	},
}

// FilesRemove removes files.
var FilesRemove = Operation[archive.RemoveRequest, archive.RemoveReply]{
	Method: http.MethodDelete, Path: "/v1/files", Summary: "Removes a file, or a directory with all that is in it.", Local: true,
	Again: "the answer is the error not_found.",
	Do: func(ctx context.Context, i Image, req archive.RemoveRequest) (archive.RemoveReply, error) {
		return archive.Remove(ctx, i.FS, req)
	},
}

// FilesRead copies files out of an image. The body is the archive, and the trailer Pmemfs-Report the report as JSON.
var FilesRead = stream[archive.ExportRequest]{
	method: http.MethodGet, path: "/v1/files/archive", summary: "Returns a file, or a directory with all that is in it, as a tar archive.",
	kind: JobFilesRead, subject: func(r archive.ExportRequest) string { return r.Path },
	do: func(ctx context.Context, i Image, req archive.ExportRequest, _ io.Reader, w io.Writer, progress func(done, total int64)) (archive.Report, error) {
		return archive.Export(ctx, i.FS, req, tarball.NewWriter(w), progress)
	},
}

// FilesWrite copies files into an image. The body of the request is a tar archive.
var FilesWrite = stream[archive.ImportRequest]{
	method: http.MethodPost, path: "/v1/files/archive", summary: "Copies what is in a tar archive, the body of the request, into the image.",
	kind: JobFilesWrite, subject: func(r archive.ImportRequest) string { return r.Path },
	againText: "the same files are written again.",
	do: func(ctx context.Context, i Image, req archive.ImportRequest, body io.Reader, _ io.Writer, progress func(done, total int64)) (archive.Report, error) {
		return archive.Import(ctx, i.FS, req, false, tarball.NewReader(&told{r: body, progress: progress}))
	},
}

// told tells how far a reader is.
type told struct {
	r        io.Reader
	done     int64
	progress func(done, total int64)
}

func (t *told) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.done += int64(n)
	t.progress(t.done, 0)
	return n, err
}
