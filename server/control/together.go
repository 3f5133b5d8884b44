package control

import (
	"fmt"
	"net/http"
	"strings"
)

// ServeHTTP answers a request, also on behalf of another listener than Serve's.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.http.Handler.ServeHTTP(w, r) }

// Together answers requests about any of several images: the header says about which, by the image's path or by its identity. It may be
// left out where there is one image, and for what is about the server as a whole.
func Together(servers []*Server) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := choose(servers, r)
		if err != nil {
			servers[0].refuse(w, err)
			return
		}
		r.Header.Set(imageHeader, s.identity)
		s.ServeHTTP(w, r)
	})
}

// choose returns the server of the image that a request is about.
func choose(servers []*Server, r *http.Request) (*Server, error) {
	name := r.Header.Get(imageHeader)
	if len(servers) == 1 && name == "" || name == "" && ofServer(r.URL.Path) {
		return servers[0], nil
	}
	var paths []string
	for _, s := range servers {
		if s.path == name || s.identity == name {
			return s, nil
		}
		paths = append(paths, s.path)
	}
	if name == "" {
		return nil, badRequest("there are several images: say with the header %s which one, of %s", imageHeader, strings.Join(paths, ", "))
	}
	return nil, &Error{Code: codeImage, Message: fmt.Sprintf("the server serves %s, and not %.200q", strings.Join(paths, ", "), name)}
}

// ofServer reports whether what is at a path is about the server as a whole.
func ofServer(path string) bool {
	for _, o := range operations {
		if _, at, _ := o.about(); at == path && o.ofServer() {
			return true
		}
	}
	return false
}
