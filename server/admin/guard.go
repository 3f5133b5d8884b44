package admin

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"pmemfs/pmemfs/safego"
)

// policy is what a page of the port may load and do: what comes from the port itself, and nothing written into the page.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// guard refuses what browsers are tricked into, and keeps a request from ending more than itself.
func (s *Server) guard(next http.Handler) http.Handler {
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer answering(r)()
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(patience)) // who does not read is given up
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		switch {
		case !s.knows(r.Host):
			http.Error(w, fmt.Sprintf("the server is not known as %.100q: call it by its address, or start it with --admin-hosts", r.Host), http.StatusMisdirectedRequest)
		case crossSite(r):
			http.Error(w, "a page of another site has asked for this", http.StatusForbidden)
		default:
			if !safego.Run("admin", func() { next.ServeHTTP(w, r) }) {
				panic(http.ErrAbortHandler) // the connection ends: nobody takes half of an answer for all
			}
		}
	})
}

// crossSite reports whether a browser says that another site's page makes the request, and not a user who follows a link.
func crossSite(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return false
	}
	return r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
}

// knows reports whether the port may be called so. Addresses are no names that somebody else's DNS could give it.
func (s *Server) knows(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "" {
		return true // of HTTP/1.0, as some balancers speak it and no browser does
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" {
		return true
	}
	return slices.ContainsFunc(s.c.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}
