package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"reflect"
	"strings"
	"syscall"

	"pmemfs/server/ownsocket"
)

// replyMax bounds what a client takes for an answer, in bytes.
const replyMax = 64 << 20

// UnreachableError says why a server that holds an image cannot be asked anything.
type UnreachableError struct {
	Image string // empty if none was named
	Place string // where its socket was looked for, or the address of the admin port
	cause error
}

// Error says what is wrong and what can be done about it.
func (e *UnreachableError) Error() string {
	hint := ""
	switch {
	case errors.Is(e.cause, fs.ErrNotExist):
		hint = "; if the server was started with --control, say the same here, and if it could not listen there, its log says why"
	case errors.Is(e.cause, fs.ErrPermission):
		hint = "; only root and the user who runs the server can do that"
	case errors.Is(e.cause, syscall.ECONNREFUSED):
		hint = "; nobody listens there: another program than a server has the image open"
	}
	if e.Image == "" {
		return fmt.Sprintf("no server answers at %s: %v", e.Place, plain(e.cause))
	}
	return fmt.Sprintf("%s is in use, and its server cannot be reached at %s: %v%s", e.Image, e.Place, plain(e.cause), hint)
}

// plain leaves out what the net package says of a socket's address.
func plain(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// Unwrap returns the cause.
func (e *UnreachableError) Unwrap() error { return e.cause }

// Client asks the server of one image. It may be used by any number of goroutines.
type Client struct {
	http     http.Client
	base     string // of URLs
	image    string
	identity string // of the image that is meant; empty for whichever the server has
	token    string
	place    string
}

// Dial finds the server that serves an image: at the place of its socket, or at the one that is given.
//
// Errors: an *UnreachableError says why there is none; what the system said of the image.
func Dial(ctx context.Context, image, place string) (*Client, error) {
	where, owner, err := places(image)
	if err != nil {
		return nil, err
	}
	if place != "" {
		where = []string{place}
	}
	id, err := identity(image)
	if err != nil {
		return nil, err
	}
	var first error
	for _, p := range where {
		conn, err := ownsocket.Dial(ctx, p, owner)
		if err == nil {
			return newClient(image, id, p, owner), conn.Close()
		}
		// Of several places that the user has nothing to do with, the others would only confuse.
		if first == nil || errors.Is(first, fs.ErrNotExist) && !errors.Is(err, fs.ErrNotExist) {
			first = &UnreachableError{image, p, err}
		}
	}
	return nil, first
}

// DialAt is Dial where the socket is known and the image is not.
//
// Errors: an *UnreachableError.
func DialAt(ctx context.Context, place string) (*Client, error) {
	conn, err := ownsocket.Dial(ctx, place, os.Geteuid())
	if err != nil {
		return nil, &UnreachableError{"", place, err}
	}
	return newClient("", "", place, os.Geteuid()), conn.Close()
}

func newClient(image, id, place string, owner int) *Client {
	c := &Client{base: "http://pmemfs", image: image, identity: id, place: place}
	c.http.Transport = &http.Transport{
		ReadBufferSize:    trailerMax, // a trailer has to fit
		DisableKeepAlives: true,       // the server has few connections, and a command few requests
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return ownsocket.Dial(ctx, place, owner)
		},
	}
	return c
}

// At returns a client of the admin port at an address, host:port, or a URL if that is to be HTTPS. Without a token the server tells what everybody
// may know. Requests are about the server as a whole, or its only image.
func At(address, token string) *Client {
	base := address
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	c := &Client{base: strings.TrimSuffix(base, "/"), token: token, place: address}
	c.http.Transport = &http.Transport{DisableKeepAlives: true}
	return c
}

// Place is where the server's socket is.
func (c *Client) Place() string { return c.place }

// do makes a request, and reads the reply into what reply points to.
func (c *Client) do(ctx context.Context, method, path string, request, reply any) error {
	url := c.base + path
	var body io.Reader
	if method == http.MethodPost {
		text, err := json.Marshal(request)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	} else if q := toQuery(reflect.ValueOf(request)); len(q) > 0 {
		url += "?" + q.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", mediaType)
	if c.identity != "" {
		r.Header.Set(imageHeader, c.identity)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return &UnreachableError{c.image, c.place, err}
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, replyMax))
	if err != nil {
		return fmt.Errorf("the answer of the server at %s broke off, so what it has done is not known: %w", c.place, err)
	}
	if answer.StatusCode == http.StatusOK {
		return json.Unmarshal(text, reply)
	}
	var f failure
	if err := json.Unmarshal(text, &f); err != nil || f.Error == nil {
		return fmt.Errorf("the server at %s answered %s: %.300q", c.place, answer.Status, strings.TrimSpace(string(text)))
	}
	return f.Error
}
