package control

import (
	"errors"
	"net/http"

	"pmemfs/archive"
	"pmemfs/archive/tarball"
	"pmemfs/pmemfs"
)

// Error is what a server answers in place of a reply.
type Error struct {
	Code    string `json:"code" doc:"which error it is, for programs"`
	Message string `json:"message" doc:"the same for people"`
	InImage string `json:"in_image,omitempty" doc:"of an entry of an archive that could not be written: the message with the file in the image in its place"`
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Is makes an Error equal to the engine's error that it stands for.
func (e *Error) Is(target error) bool {
	for _, k := range codes {
		if k.code == e.Code && k.cause != nil {
			return k.cause == target
		}
	}
	return false
}

// failure is the body of such an answer.
type failure struct {
	Error *Error `json:"error"`
}

// The codes of what is not the engine's error.
const (
	codeRequest   = "bad_request"
	codeRoute     = "unknown_operation"
	codeMethod    = "wrong_method"
	codeImage     = "other_image"
	codeNotServed = "not_served"
	codeInternal  = "internal"
	codeLocal     = "socket_only"
	codeArchive   = "bad_archive"
)

// codes are all codes. Of several that fit an error the first counts. They are part of the interface: none changes its meaning.
var codes = []struct {
	code   string
	status int
	cause  error // of the engine
	about  string
}{
	{codeRequest, http.StatusBadRequest, nil, "the request is not as the schema says"},
	{codeRoute, http.StatusNotFound, nil, "there is no such operation"},
	{codeMethod, http.StatusMethodNotAllowed, nil, "the operation has another method"},
	{codeImage, http.StatusConflict, nil, "this server serves another image"},
	{"unauthorized", http.StatusUnauthorized, nil, "over TCP: the request has no token, or another one"},
	{codeNotServed, http.StatusConflict, nil, "the operation is about a server, and none serves the image"},
	{codeLocal, http.StatusForbidden, nil, "the operation is for the socket alone, not for TCP"},
	{codeInternal, http.StatusInternalServerError, nil, "a fault of pmemfs; the server's log says more"},
	{codeArchive, http.StatusBadRequest, nil, "the archive is damaged, or has what no file can be"},
	{"invalid", http.StatusBadRequest, pmemfs.ErrInvalid, "a value makes no sense here"},
	{"not_found", http.StatusNotFound, pmemfs.ErrNotExist, "what is named does not exist"},
	{"exists", http.StatusConflict, pmemfs.ErrExist, "what is named exists already"},
	{"not_directory", http.StatusBadRequest, pmemfs.ErrNotDir, "what is named is no directory"},
	{"is_directory", http.StatusBadRequest, pmemfs.ErrIsDir, "what is named is a directory"},
	{"name_too_long", http.StatusBadRequest, pmemfs.ErrNameTooLong, "a name is too long"},
	{"busy", http.StatusConflict, pmemfs.ErrBusy, "what is named is in use"},
	{"stale", http.StatusGone, pmemfs.ErrStale, "what is named is gone"},
	{"no_space", http.StatusInsufficientStorage, pmemfs.ErrNoSpace, "the image, or the disk that it is on, has no room"},
	{"quota", http.StatusInsufficientStorage, pmemfs.ErrQuota, "a quota is reached"},
	{"read_only", http.StatusForbidden, pmemfs.ErrReadOnly, "the image is open for reading only, or has failed"},
	{"unsupported", http.StatusNotImplemented, pmemfs.ErrNotSupported, "this image, or this system, cannot do that"},
	{"closed", http.StatusServiceUnavailable, pmemfs.ErrClosed, "the server is stopping"},
	{"io", http.StatusInternalServerError, pmemfs.ErrIO, "the medium is damaged, or refuses"},
}

// explain turns an error into an answer.
func explain(err error) (status int, e *Error) {
	if errors.As(err, &e) {
		for _, k := range codes {
			if k.code == e.Code {
				return k.status, e
			}
		}
	}
	e = &Error{Code: codeInternal, Message: err.Error()}
	var entry *archive.EntryError
	if errors.As(err, &entry) {
		e.InImage = entry.InImage()
	}
	for _, k := range codes {
		if k.cause != nil && errors.Is(err, k.cause) {
			e.Code = k.code
			return k.status, e
		}
	}
	var damaged *tarball.Error
	if errors.As(err, &damaged) {
		e.Code = codeArchive
		return http.StatusBadRequest, e
	}
	return http.StatusInternalServerError, e
}
