// Package server opens an image and serves it: configuration, first run, life cycle. The protocols are in the packages
// below it.
//
// # Life cycle
//
// Open does everything that can fail, in an order that leaves nothing behind: it checks the configuration, makes the image if it
// is missing, opens it, finds the exports, and listens. Serve answers clients until its context ends, then stops in order
// (no new connections, no new requests, replies to those in progress), and closes the image, which leaves nothing to replay.
//
// # Concurrency and durability
//
// A Server is used by one goroutine, Reload apart; what it starts is safe by itself. Every reply is durable in the sense of the image's
// persistence domain, so a server that is killed instead of stopped loses nothing but the time of a replay.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/gonfs"
	"pmemfs/server/handle"
	"pmemfs/server/mount3"
	"pmemfs/server/nfs3"
	"pmemfs/server/rpc"
)

// The NFS stacks.
const (
	StackNative = "native" // package nfs3
	StackGoNFS  = "go-nfs" // go-nfs behind the wrapper of package gonfs
)

// Config is what a Server does.
type Config struct {
	Image string   // path of a file or device
	New   NewImage // used if Image does not exist

	NFS     string // address to listen on, host:port; port 0 for any
	Stack   string // StackNative, which "" means too, or StackGoNFS
	Exports []export.Export

	Durability pmemfs.Durability
	Volatile   bool // nothing survives a power cut, by choice

	Scrub Scrubbing // the zero value for none

	Logger *slog.Logger // nil for none
	Limits rpc.Limits
}

// Server is an open image with a listener.
type Server struct {
	eng      *pmemfs.FS
	nfs      *rpc.Server
	goNFS    *gonfs.Server // nil unless that is the stack
	listener net.Listener
	exports  *export.Table
	log      *slog.Logger
	created  bool
	scrubs   Scrubbing

	reloading sync.Mutex // orders Reloads and what they log
}

// Open gets everything ready to serve. Until Serve is called clients wait. The image of a failed Open is closed, and
// untouched unless it was made.
func Open(c Config) (*Server, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	exports, err := c.vet()
	if err != nil {
		return nil, err
	}
	created, err := ensureImage(c.Image, c.New)
	if err != nil {
		return nil, err
	}
	eng, err := pmemfs.Open(c.Image, pmemfs.Options{Durability: c.Durability, Volatile: c.Volatile, Logger: c.Logger})
	if err != nil {
		return nil, err
	}
	s := &Server{eng: eng, exports: export.NewTable(eng), log: c.Logger, created: created, scrubs: c.Scrub}
	if missing := s.show(exports); len(missing) == len(exports.All()) {
		return nil, errors.Join(append(missing, eng.Close())...) // a mistake, surely
	}
	if err := s.listen(&c); err != nil {
		return nil, errors.Join(err, eng.Close())
	}
	return s, nil
}

// vet refuses a configuration that could not work before anything is made.
func (c *Config) vet() (*export.Set, error) {
	switch c.Stack {
	case "", StackNative, StackGoNFS:
	default:
		return nil, fmt.Errorf("unknown NFS stack %q: it is %s or %s", c.Stack, StackNative, StackGoNFS)
	}
	if _, err := net.ResolveTCPAddr("tcp", c.NFS); err != nil {
		return nil, fmt.Errorf("cannot listen on %q: %w", c.NFS, err)
	}
	if err := c.Scrub.vet(); err != nil {
		return nil, err
	}
	return export.NewSet(c.Exports)
}

// show begins to serve a set of exports. What has no directory yet is served when that appears. Those it returns.
func (s *Server) show(set *export.Set) (missing []error) {
	missing = s.exports.Store(set)
	for _, err := range missing {
		s.log.Warn("cannot be mounted before its directory is made", "err", err)
	}
	return missing
}

// Reload serves other exports, from the next request on; connections stay. Clients find files of an export that is gone
// stale, until it is back. Exports that cannot be served are an error and change nothing. It may be called by any
// goroutine while the server serves.
func (s *Server) Reload(exports []export.Export) error {
	next, err := export.NewSet(exports)
	if err != nil {
		return err
	}
	s.reloading.Lock()
	defer s.reloading.Unlock()
	added, removed, changed := s.exports.Load().Difference(next)
	s.show(next)
	s.log.Info("exports reloaded", "added", added, "removed", removed, "changed", changed)
	return nil
}

func (s *Server) listen(c *Config) error {
	l, err := net.Listen("tcp", c.NFS)
	if err != nil {
		return err
	}
	mounts := mount3.New(mount3.Config{Engine: s.eng, Exports: s.exports, Handles: handle.New(s.eng), Logger: c.Logger})
	programs := []rpc.Program{mounts.Program()}
	if c.Stack == StackGoNFS {
		s.goNFS = gonfs.New(gonfs.Config{Engine: s.eng, Exports: s.exports, Logger: c.Logger})
		programs = append(programs, s.goNFS.Program())
	} else {
		native := nfs3.New(nfs3.Config{Engine: s.eng, Exports: s.exports, Logger: c.Logger})
		programs = append(programs, native.Program(), native.ACLProgram())
	}
	s.nfs, s.listener = rpc.NewServer(rpc.Config{Programs: programs, Logger: c.Logger, Limits: c.Limits}), l
	if addr := s.Addr(); !addr.Addr().IsLoopback() {
		s.log.Warn("listening beyond this machine: anyone who can connect is believed to be the user they say they are",
			"addr", addr.String())
	}
	return nil
}

// Addr is the address listened on.
func (s *Server) Addr() netip.AddrPort {
	tcp, ok := s.listener.Addr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// Info describes the image.
func (s *Server) Info() pmemfs.Info { return s.eng.Info() }

// Created reports whether Open made the image.
func (s *Server) Created() bool { return s.created }

// Exports are what is served.
func (s *Server) Exports() []export.Export { return s.exports.Load().All() }

// Serve answers clients until ctx ends, scrubs the image in the background, and closes it. It is called once. nil means that
// ctx ended it and that everything was closed in order.
func (s *Server) Serve(ctx context.Context) error {
	scrubbing, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	if s.scrubs.Every > 0 {
		wg.Go(func() { s.scrub(scrubbing, s.scrubs) })
	}
	err := s.nfs.Serve(ctx, s.listener)
	s.closeGoNFS()
	stop()
	wg.Wait() // it notes how far it is
	return errors.Join(err, s.eng.Close())
}

// closeGoNFS ends go-nfs, if that is the stack, when no call is in progress.
func (s *Server) closeGoNFS() {
	if s.goNFS != nil {
		s.goNFS.Close()
	}
}

// Close gives up a server that was opened but will not serve.
func (s *Server) Close() error {
	s.closeGoNFS()
	return errors.Join(s.listener.Close(), s.eng.Close())
}
