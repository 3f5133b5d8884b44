package admin

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestHTTP1 offers no HTTP/2 over TLS, of which one connection could hold any number of answers.
func TestHTTP1(t *testing.T) {
	pair := httptest.NewTLSServer(http.NotFoundHandler())
	defer pair.Close()
	s := serve(t, Config{TLS: &tls.Config{Certificates: pair.TLS.Certificates}})
	c, err := tls.Dial("tcp", s.addr, &tls.Config{NextProtos: []string{"h2", "http/1.1"}, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := c.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
		t.Errorf("%q is spoken", got)
	}
}
