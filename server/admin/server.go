package admin

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync/atomic"
	"time"

	"pmemfs/pmemfs/safego"
)

const (
	headerMax = 16 << 10
	patience  = 10 * time.Second // for a request, an answer, or the next request
	profiling = 2 * time.Minute  // for an answer that takes as long as it was asked to
	drain     = 5 * time.Second  // for answers under way when the server stops
	// readsMost is how many readings of those without the token are answered at once. Where a medium has stopped none of them ends, though who
	// has asked is gone.
	readsMost = 32
)

// Config is what a Server needs to know before there is an image.
type Config struct {
	Hosts  []string // names by which it may be called, besides addresses and localhost
	Token  string   // for the control interface; empty for no such interface
	TLS    *tls.Config
	Pprof  bool         // Go's profiles, below /debug/pprof/
	Logger *slog.Logger // nil for none
	// Health carries out a real round trip; Ready looks at the state. Both may be called before Answer.
	Health func(ctx context.Context) Report
	Ready  func() Report
}

// Routes are what there is when there is an image.
type Routes struct {
	Metrics http.Handler // GET /metrics
	API     http.Handler // control interface, below /v1/
	Public  func(path string) bool
	Page    http.Handler // everything else
}

// Server answers at the admin port.
type Server struct {
	c      Config
	token  [sha256.Size]byte
	routes atomic.Pointer[http.Handler]
	health flight
	wrong  guesses
	http   http.Server
	stop   context.CancelFunc
}

// New makes a server. Until Answer is called it tells health and readiness alone.
func New(c Config) *Server {
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	s := &Server{c: c, token: sha256.Sum256([]byte(c.Token))}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.serveHealth)
	mux.HandleFunc("GET /readyz", s.serveReady)
	if c.Pprof {
		addPprof(mux)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if h := s.routes.Load(); h != nil {
			(*h).ServeHTTP(w, r)
			return
		}
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the server is starting", http.StatusServiceUnavailable)
	})
	// HTTP/2 has many answers on one connection, and all bounds here are by connection.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	s.http = http.Server{
		Protocols: protocols,
		Handler:   s.guard(mux), TLSConfig: c.TLS, ReadHeaderTimeout: patience, ReadTimeout: patience, IdleTimeout: patience, MaxHeaderBytes: headerMax,
		ErrorLog:    slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // of clients that are gone
		BaseContext: func(net.Listener) context.Context { return ctx }, ConnContext: withConn,
	}
	return s
}

// addPprof adds Go's profiles, which are not in the default mux of the process alone.
func addPprof(mux *http.ServeMux) {
	slow := func(f http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			// A profile that is cut off is refused by the tool that reads it.
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(profiling))
			f(w, r)
		}
	}
	mux.HandleFunc("GET /debug/pprof/", slow(pprof.Index))
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", slow(pprof.Profile))
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", slow(pprof.Trace))
}

// Answer begins to answer everything else.
func (s *Server) Answer(r Routes) {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", looking(r.Metrics, scrapesMost, turn))
	mux.Handle("/v1/", s.control(r))
	mux.Handle("/", readOnly(r.Page))
	var h http.Handler = mux
	s.routes.Store(&h)
}

// readOnly refuses what is no reading.
func readOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "nothing can be changed here", http.StatusMethodNotAllowed)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// unauthorized is the answer to who has no token, in the form of the control interface's errors.
const unauthorized = `{"error":{"code":"unauthorized","message":"this needs the token of the admin port (--admin-token), as \"Authorization: Bearer TOKEN\""}}` + "\n"

// control answers what everybody may read, and the rest to those who have the token.
func (s *Server) control(r Routes) http.Handler {
	public := looking(r.API, readsMost, 0)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case s.authorized(req):
		case req.Method != http.MethodGet || !r.Public(req.URL.Path):
			w.Header().Set("WWW-Authenticate", `Bearer realm="pmemfs"`)
			s.wrong.note(s.c, req)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, unauthorized) // whoever is gone is not told
			return
		default:
			public.ServeHTTP(w, req)
			return
		}
		r.API.ServeHTTP(w, req)
	})
}

// authorized reports whether a request has the token. How long it takes does not tell which byte differs.
func (s *Server) authorized(r *http.Request) bool {
	kind, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(given)))
	return s.c.Token != "" && strings.EqualFold(kind, "Bearer") && subtle.ConstantTimeCompare(sum[:], s.token[:]) == 1
}

// Serve answers on a listener, which it closes, until ctx ends.
//
// Errors: those of the listener; nil when ctx has ended.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	defer s.stop()
	ended := make(chan struct{})
	defer safego.OnEnd(ctx, "end of admin", func() {
		defer close(ended)
		s.stop()
		last, cancel := context.WithTimeout(context.Background(), drain)
		defer cancel()
		if err := s.http.Shutdown(last); err != nil {
			_ = s.http.Close() // closes what has not ended by then; there is nobody to be told
		}
	})()
	var err error
	if b := bound(l, connections); s.c.TLS != nil {
		err = s.http.ServeTLS(b, "", "")
	} else {
		err = s.http.Serve(b)
	}
	if errors.Is(err, http.ErrServerClosed) {
		<-ended
		return nil
	}
	return err
}
