// Package page is the status page of the admin port: files that are part of the program. They need nothing from elsewhere and are not built: what is
// in the folder files is what a browser gets.
//
// The page reads the interface for programs every two seconds (docs/api.md) and shows it. It changes nothing. files/uplot is uPlot 1.6.32
// (MIT), as it is published.
package page

import (
	"embed"
	"net/http"
	"strings"
)

//go:embed files
var files embed.FS

// Handler serves the page.
func Handler() http.Handler {
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path := r.URL.Path; path != "/" && strings.HasSuffix(path, "/") {
			http.NotFound(w, r) // folders are not listed
			return
		}
		inside := r.Clone(r.Context())
		inside.URL.Path = "/files" + r.URL.Path
		server.ServeHTTP(w, inside)
	})
}
