package lossylog

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"pmemfs/pmemfs/safego"
)

// Lengths to which strings are cut, in bytes.
const (
	clientMax = 64
	stringMax = 1 << 10
	stackMax  = 16 << 10
)

const (
	summaryEvery = 10 * time.Second // how long lines may be left out before that is said
	closeLimit   = time.Second      // for what waits to be written at the end
)

// Handler is a slog.Handler. See the package comment.
type Handler struct {
	*core
	inner  slog.Handler
	client string // of those with attributes
}

// core is what all handlers of one log share.
type core struct {
	queue   *queue
	limiter *limiter
	now     func() time.Time
	plain   slog.Handler // without attributes
	stop    chan struct{}
	once    sync.Once
	running safego.Group
}

// New returns a handler that writes to w what the handler returned by format does. Close ends it.
func New(w io.Writer, format func(io.Writer) slog.Handler) *Handler {
	c := &core{queue: newQueue(w), limiter: newLimiter(), now: time.Now, stop: make(chan struct{})}
	c.plain = format(c.queue)
	c.running.Go("log summaries", c.summarize)
	return &Handler{core: c, inner: c.plain}
}

// Close writes what waits, for at most a second, and ends the goroutines, unless one hangs in a write. Lines that come later are lost.
func (h *Handler) Close() {
	h.once.Do(func() {
		close(h.stop)
		h.running.Wait()
		h.sayLeftOut()
		h.queue.close(closeLimit)
	})
}

// Lost is how many lines nobody will read, since the queue was full or they could not be written.
func (h *Handler) Lost() uint64 {
	h.queue.mu.Lock()
	defer h.queue.mu.Unlock()
	return h.queue.total
}

// Enabled implements slog.Handler.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.inner.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := &Handler{core: h.core, client: h.client}
	cut := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		if a.Key == "client" {
			next.client = hostOf(a.Value)
		}
		cut[i] = shorten(a)
	}
	next.inner = h.inner.WithAttrs(cut)
	return next
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{core: h.core, client: h.client, inner: h.inner.WithGroup(name)}
}

// Handle implements slog.Handler. It never waits for whoever reads the log.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	next := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	client := h.client
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "client" {
			client = hostOf(a.Value)
		}
		next.AddAttrs(shorten(a))
		return true
	})
	if r.Level >= slog.LevelInfo {
		ok, leftOut := h.limiter.pass(r.Message, client, h.now())
		if !ok {
			return nil
		}
		if leftOut > 0 {
			next.AddAttrs(slog.Uint64("left_out_before", leftOut))
		}
	}
	h.sayLost()
	return h.inner.Handle(ctx, next)
}

// sayLost tells a reader who is back what it has missed.
func (c *core) sayLost() {
	if n := c.queue.takeLost(); n > 0 {
		c.say("lines of the log were lost: nobody read them, or they could not be written", "lines", n)
	}
}

// summarize says every so often what is left out, for causes of which no line passes any more.
func (c *core) summarize() {
	t := time.NewTicker(summaryEvery)
	defer t.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-t.C:
			c.sayLeftOut()
		}
	}
}

func (c *core) sayLeftOut() {
	c.sayLost()
	for cause, n := range c.limiter.take() {
		c.say("lines were left out", "cause", cause, "lines", n)
	}
}

// say writes a line of the log's own.
func (c *core) say(text string, args ...any) {
	r := slog.NewRecord(c.now(), slog.LevelWarn, text, 0)
	r.Add(args...)
	_ = c.plain.Handle(context.Background(), r) // the queue does not fail
}

// hostOf is the client of an attribute, without its port.
func hostOf(v slog.Value) string {
	text := v.String()
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return ap.Addr().String()
	}
	return cut(text, clientMax)
}

// shorten cuts an attribute to what one line may have of it.
func shorten(a slog.Attr) slog.Attr {
	limit := stringMax
	switch a.Key {
	case "client", "path", "name":
		limit = clientMax
	case "stack":
		limit = stackMax
	}
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString, slog.KindAny: // of any, what it says as text
		if text := v.String(); len(text) > limit {
			return slog.String(a.Key, cut(text, limit)+"...")
		}
	}
	return a
}

func cut(text string, n int) string { return text[:min(len(text), n)] }
