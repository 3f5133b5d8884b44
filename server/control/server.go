package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"pmemfs/pmemfs/safego"
)

const (
	mediaType   = "application/json"
	imageHeader = "Pmemfs-Image" // identity of the image that the request is about; may be left out

	connections = 32 // at once; others wait to be accepted
	headerMax   = 16 << 10
	patience    = 10 * time.Second // for a request, an answer, or the next request
	drain       = 5 * time.Second  // for operations under way when the server stops
)

// Config is what a Server needs.
type Config struct {
	Image  Image
	Path   string       // of the image
	Logger *slog.Logger // nil for none
}

// Server answers requests about one image.
type Server struct {
	image    Image
	path     string
	identity string
	log      *slog.Logger
	http     http.Server
	again    again
	stop     context.CancelFunc // ends the operations under way
}

// NewServer makes a server of an image.
//
// Errors: what the system said of the image's path.
func NewServer(c Config) (*Server, error) {
	id, err := identity(c.Path)
	if err != nil {
		return nil, err
	}
	s := &Server{image: c.Image, path: c.Path, identity: id, log: cmp.Or(c.Logger, slog.New(slog.DiscardHandler))}
	mux := http.NewServeMux()
	methods := make(map[string]bool)
	for _, o := range operations {
		method, path, _ := o.about()
		mux.HandleFunc(method+" "+path, func(w http.ResponseWriter, r *http.Request) { s.answer(w, r, o) })
		methods[path] = true
	}
	for path := range methods {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			s.refuse(w, &Error{Code: codeMethod, Message: r.Method + " is no method of " + r.URL.Path})
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.refuse(w, &Error{Code: codeRoute, Message: "there is no " + r.URL.Path + " here; GET " + Schema.Path + " lists what there is"})
	})
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.http = http.Server{
		Handler: mux, ReadHeaderTimeout: patience, ReadTimeout: patience, IdleTimeout: patience, MaxHeaderBytes: headerMax,
		ErrorLog:    slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // of clients that are gone
		BaseContext: func(net.Listener) context.Context { return context.WithValue(ctx, bySocket{}, true) },
	}
	return s, nil
}

// Serve answers on a listener, which it closes, until ctx ends. Then operations under way are told to stop, and have a few seconds
// for it. An operation that goes on is still safe: the engine refuses it when it is closed.
//
// Errors: those of the listener; nil when ctx has ended.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	defer s.stop()
	ended := make(chan struct{})
	defer safego.OnEnd(ctx, "end of control", func() {
		defer close(ended)
		s.stop()
		last, cancel := context.WithTimeout(context.Background(), drain)
		defer cancel()
		if err := s.http.Shutdown(last); err != nil {
			_ = s.http.Close() // closes what has not ended by then; there is nobody to be told
		}
	})()
	err := s.http.Serve(&bounded{Listener: l, free: make(chan struct{}, connections), closed: make(chan struct{})})
	if errors.Is(err, http.ErrServerClosed) {
		<-ended
		return nil
	}
	return err
}

// bySocket is the key of a value that contexts of requests have which came by the socket.
type bySocket struct{}

// answer carries out one operation. Its panic costs the client its answer, and nobody else anything.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, o route) {
	if id := r.Header.Get(imageHeader); id != "" && id != s.identity {
		s.refuse(w, &Error{Code: codeImage, Message: "the server that listens here serves another image, which was at this path before"})
		return
	}
	if o.local() && r.Context().Value(bySocket{}) == nil {
		s.refuse(w, &Error{Code: codeLocal, Message: "files are read and written through the socket beside the image alone"})
		return
	}
	if st, ok := o.(streams); ok {
		st.serve(s, w, r)
		return
	}
	key, what, err := keyed(r)
	if err != nil {
		s.refuse(w, err)
		return
	}
	var text []byte
	if key == "" || o.again() == "" {
		text, err = s.carryOut(r, o)
	} else {
		text, err = s.again.do(r.Context(), key, what, func() ([]byte, error) { return s.carryOut(r, o) })
	}
	if err != nil {
		s.refuse(w, err)
		return
	}
	s.write(w, http.StatusOK, text)
}

// carryOut does what a request asks for, and returns the text of the reply.
func (s *Server) carryOut(r *http.Request, o route) (text []byte, err error) {
	err = &Error{Code: codeInternal, Message: "the server has a fault, and its log says where"}
	safego.Run("control", func() {
		var reply any
		if reply, err = o.answer(r.Context(), s.image, r); err == nil {
			text, err = json.Marshal(reply)
		}
	})
	return text, err
}

// refuse answers with an error.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	status, e := explain(err)
	text, err := json.Marshal(failure{e})
	if err != nil {
		s.log.Error("a reply cannot be made", "error", err)
		status, text = http.StatusInternalServerError, []byte(`{"error":{"code":"`+codeInternal+`","message":"the reply cannot be made"}}`)
	}
	s.write(w, status, text)
}

// write answers. A client that does not take its answer is left alone.
func (s *Server) write(w http.ResponseWriter, status int, text []byte) {
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	// Of whoever is gone, or does not read, nothing depends on it.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(patience))
	if _, err := w.Write(text); err == nil {
		_, _ = w.Write([]byte{'\n'})
	}
}

// bounded accepts so many connections at once.
type bounded struct {
	net.Listener
	free   chan struct{}
	once   sync.Once
	closed chan struct{}
}

func (b *bounded) Accept() (net.Conn, error) {
	select {
	case b.free <- struct{}{}:
	case <-b.closed:
		return nil, net.ErrClosed
	}
	c, err := b.Listener.Accept()
	if err != nil {
		<-b.free
		return nil, err
	}
	return &counted{Conn: c, done: sync.OnceFunc(func() { <-b.free })}, nil
}

func (b *bounded) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Listener.Close()
}

// counted is a connection that makes room when it is closed.
type counted struct {
	net.Conn
	done func()
}

func (c *counted) Close() error {
	defer c.done()
	return c.Conn.Close()
}
