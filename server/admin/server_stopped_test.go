package admin

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
)

// TestStopped has readings that never end, as of a medium that has stopped, and clients that give them up and ask again. So many are begun and no more, and
// whoever has the token, or asks for health, is answered.
func TestStopped(t *testing.T) {
	s := serve(t, Config{Token: "token"})
	var begun atomic.Int32
	under, goOn := make(chan struct{}, 10*readsMost), make(chan struct{})
	r := routes()
	r.API = http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") == "" {
			begun.Add(1)
			under <- struct{}{}
			<-goOn
		}
	})
	s.srv.Answer(r)
	for range readsMost {
		ctx, giveUp := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/v1/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
				t.Errorf("answered with %s", resp.Status)
				_ = resp.Body.Close() // which says nothing more
			}
		}()
		<-under
		giveUp()
		<-gone
	}
	for range 3 * readsMost {
		if code, _ := s.request("GET", "/v1/status"); code != http.StatusServiceUnavailable {
			t.Fatalf("one more is answered with %d", code)
		}
	}
	if n := begun.Load(); n != readsMost {
		t.Errorf("%d readings have begun", n)
	}
	for path, header := range map[string]string{"/v1/status": "Authorization: Bearer token", "/healthz": "Accept: */*"} {
		if code, _ := s.request("GET", path, header); code != http.StatusOK {
			t.Errorf("%s is answered with %d", path, code)
		}
	}
	close(goOn)
}
