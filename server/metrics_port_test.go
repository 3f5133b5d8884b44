package server_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"pmemfs/server"
	"pmemfs/server/nfswire"
	"pmemfs/server/ninetest"
	"pmemfs/server/rpc"
	"pmemfs/server/traffic"
)

// scraped are series by name and labels, as they are written.
type scraped map[string]float64

// scrape asks the admin port for metrics.
func scrape(t *testing.T, at netip.AddrPort) scraped {
	t.Helper()
	resp, err := http.Get("http://" + at.String() + "/metrics")
	must(t, err)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("metrics are answered with %s", resp.Status)
	}
	m := make(scraped)
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		line := lines.Text()
		if at := strings.LastIndexByte(line, ' '); at > 0 && line[0] != '#' {
			v, err := strconv.ParseFloat(line[at+1:], 64)
			must(t, err)
			m[line[:at]] = v
		}
	}
	must(t, lines.Err())
	return m
}

// is compares a series.
func (m scraped) is(t *testing.T, series string, want float64) {
	t.Helper()
	if got := m[series]; got != want {
		t.Errorf("%s is %g, want %g", series, got, want)
	}
}

// caller sends calls of RPC and counts the bytes.
type caller struct {
	t       *testing.T
	conn    net.Conn
	r       *bufio.Reader
	in, out int
}

func dial(t *testing.T, at netip.AddrPort) *caller {
	t.Helper()
	conn, err := net.Dial("tcp", at.String())
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	return &caller{t: t, conn: conn, r: bufio.NewReader(conn)}
}

// call sends a call n times at once, and reads the replies. It returns the results of the last.
func (c *caller) call(prog, vers, proc uint32, n int, args []byte) (results []byte) {
	c.t.Helper()
	e := rpc.NewEncoder(make([]byte, 4))
	for _, v := range []uint32{1, 0, rpc.Version, prog, vers, proc, rpc.AuthSys, 5 * 4, 0, 0, 0, 0, 0, 0, 0} {
		e.Uint32(v)
	}
	e.Raw(args)
	rpc.SetMark(e.Bytes())
	_, err := c.conn.Write([]byte(strings.Repeat(string(e.Bytes()), n)))
	must(c.t, err)
	for range n {
		var mark [4]byte
		_, err := io.ReadFull(c.r, mark[:])
		must(c.t, err)
		length := int(binary.BigEndian.Uint32(mark[:]) &^ (1 << 31))
		reply := make([]byte, length)
		_, err = io.ReadFull(c.r, reply)
		must(c.t, err)
		results = reply[min(6*4, length):]
		c.out += 4 + length
	}
	c.in += n * len(e.Bytes())
	return results
}

// TestScrapeCounts calls every procedure of each program over RPC, and every message of 9P, each as often as no other one, and compares each scrape with what
// was done until then.
func TestScrapeCounts(t *testing.T) {
	c := config(filepath.Join(t.TempDir(), "image"))
	c.Admin, c.NineP = server.Admin{Address: "127.0.0.1:0"}, []string{"127.0.0.1:0"}
	s, err := server.Open(c)
	must(t, err)
	defer run(t, s)()
	nfs := dial(t, s.Addr())
	calls := 0
	for _, p := range []struct {
		of         traffic.Protocol
		prog, vers uint32
		procs      int
		fails      string // what calls without arguments are told
	}{
		{traffic.NFS3, nfswire.ProgNFS, 3, nfswire.ProcCount, "GARBAGE_ARGS"}, {traffic.NFSACL, 100227, 3, 3, "GARBAGE_ARGS"},
		{traffic.Mount, nfswire.ProgMount, 3, 6, ""}, {traffic.RQuota, 100011, 2, 5, ""}, {traffic.NLM, 100021, 4, 24, ""}, {traffic.NSM, 100024, 1, 7, ""},
		{traffic.Portmap, 100000, 2, 5, ""},
	} {
		for proc := range p.procs {
			n := 2 + proc
			nfs.call(p.prog, p.vers, uint32(proc), n, nil)
			calls += n
			name := p.of.Procedure(uint32(proc)).String()
			if p.of == traffic.Portmap && proc == 3 {
				name = "GETPORT"
			}
			if name == "unknown" {
				continue // several numbers have that name
			}
			m := scrape(t, s.AdminAddr())
			labels := fmt.Sprintf(`{export="",image="",procedure="%s",protocol="%s"}`, name, p.of)
			m.is(t, "pmemfs_calls_total"+labels, float64(n))
			m.is(t, "pmemfs_call_duration_seconds_count"+labels, float64(n))
			if p.fails != "" && proc > 0 {
				m.is(t, fmt.Sprintf(`pmemfs_call_errors_total{export="",image="",procedure="%s",protocol="%s",status="%s"}`, name, p.of, p.fails), float64(n))
			}
		}
	}
	nfs.call(4711, 1, 1, 5, nil)
	calls += 5
	m := scrape(t, s.AdminAddr())
	m.is(t, `pmemfs_call_errors_total{export="",image="",procedure="unknown",protocol="unknown",status="PROG_UNAVAIL"}`, 5)
	m.is(t, `pmemfs_client_calls_total{client="127.0.0.1"}`, float64(calls))
	m.is(t, `pmemfs_client_received_bytes_total{client="127.0.0.1"}`, float64(nfs.in))
	m.is(t, `pmemfs_client_sent_bytes_total{client="127.0.0.1"}`, float64(nfs.out))
	m.is(t, `pmemfs_connections{protocol="rpc"}`, 1)
	m.is(t, `pmemfs_server_state{state="serving"}`, 1)
	scrapeNineP(t, s)
}

// scrapeNineP is TestScrapeCounts for 9P.
func scrapeNineP(t *testing.T, s *server.Server) {
	nine, err := ninetest.Dial("tcp", s.NineP()[0])
	must(t, err)
	defer nine.Close()
	_, err = nine.Call(ninetest.Version, uint32(8192), "9P2000.L")
	must(t, err)
	for kind := uint8(ninetest.Statfs); kind < 128; kind += 2 {
		name := traffic.NineP.Procedure(uint32(kind) / 2).String()
		if name == "unknown" || name == "Tversion" {
			continue
		}
		n := 1 + int(kind)
		for range n {
			_, err := nine.Call(kind)
			if err == nil {
				t.Fatalf("%s without fields is answered", name)
			}
		}
		m := scrape(t, s.AdminAddr())
		labels := fmt.Sprintf(`export="",image="",procedure="%s",protocol="9p"`, name)
		m.is(t, "pmemfs_calls_total{"+labels+"}", float64(n))
		want := "EPROTO"
		if name == "Tauth" {
			want = "ENOENT" // there is no file to authenticate with
		}
		if got := m[`pmemfs_call_errors_total{`+labels+`,status="`+want+`"}`]; got != float64(n) {
			for series, v := range m {
				if strings.HasPrefix(series, "pmemfs_call_errors_total{"+labels) {
					t.Logf("%s is %g", series, v)
				}
			}
			t.Errorf("%s fails %g times with %s, want %d", name, got, want, n)
		}
	}
	scrape(t, s.AdminAddr()).is(t, `pmemfs_connections{protocol="9p"}`, 1)
}

// TestScrapeExports calls procedures on files of exports, in one batch and beside each other, and looks for them under the export's name.
func TestScrapeExports(t *testing.T) {
	image := filepath.Join(t.TempDir(), "image")
	c := config(image)
	c.Admin = server.Admin{Address: "127.0.0.1:0"}
	s, err := server.Open(c)
	must(t, err)
	defer run(t, s)()
	nfs := dial(t, s.Addr())
	e := rpc.NewEncoder(nil)
	e.Opaque([]byte("/"))
	d := rpc.NewDecoder(nfs.call(nfswire.ProgMount, 3, 1, 1, e.Bytes()))
	if d.Uint32() != 0 {
		t.Fatal("the export cannot be mounted")
	}
	e = rpc.NewEncoder(nil)
	e.Opaque(d.Opaque(nfswire.HandleMax))
	root := e.Bytes()
	for round := 1; round <= 50; round++ {
		nfs.call(nfswire.ProgNFS, 3, nfswire.ProcGetattr, 100, root)
		m := scrape(t, s.AdminAddr())
		m.is(t, fmt.Sprintf(`pmemfs_calls_total{export="/",image="%s",procedure="GETATTR",protocol="nfs3"}`, image), float64(100*round))
	}
	m := scrape(t, s.AdminAddr())
	m.is(t, `pmemfs_client_errors_total{client="127.0.0.1"}`, 0)
	scrapeData(t, s, nfs, root)
}

// scrapeData is TestScrapeExports for data: replies that are sent from where it lies, and calls that are answered beside others as they wait for the medium.
func scrapeData(t *testing.T, s *server.Server, nfs *caller, root []byte) {
	const rounds, length = 5, 256 << 10
	image := s.Images()[0].Path()
	d := rpc.NewDecoder(nfs.call(nfswire.ProgNFS, 3, nfswire.ProcCreate, 1, append(append(root[:len(root):len(root)], 0, 0, 0, 1, 'f', 0, 0, 0), make([]byte, 4+6*4)...)))
	if st := d.Uint32(); st != 0 || !d.Bool() {
		t.Fatalf("CREATE: status %d", st)
	}
	e := rpc.NewEncoder(nil)
	e.Opaque(d.Opaque(nfswire.HandleMax))
	e.Uint64(0)
	e.Uint32(length)
	read := e.Bytes()
	e = rpc.NewEncoder(nil)
	e.Raw(read)
	e.Uint32(nfswire.FileSync)
	e.Opaque(make([]byte, length))
	before := scrape(t, s.AdminAddr())["pmemfs_calls_offloaded_total"]
	for round := 1; round <= rounds; round++ {
		for proc, args := range map[uint32][]byte{nfswire.ProcWrite: e.Bytes(), nfswire.ProcRead: read} {
			nfs.call(nfswire.ProgNFS, 3, proc, 4, args)
			m := scrape(t, s.AdminAddr())
			m.is(t, fmt.Sprintf(`pmemfs_calls_total{export="/",image="%s",procedure="%s",protocol="nfs3"}`, image, traffic.NFS3.Procedure(proc)), float64(4*round))
			m.is(t, `pmemfs_client_received_bytes_total{client="127.0.0.1"}`, float64(nfs.in))
			m.is(t, `pmemfs_client_sent_bytes_total{client="127.0.0.1"}`, float64(nfs.out))
		}
	}
	m := scrape(t, s.AdminAddr())
	if n := m["pmemfs_calls_offloaded_total"] - before; n < 4*rounds {
		t.Errorf("%g calls were answered beside the connection, of %d that wait for the medium", n, 4*rounds)
	}
	m.is(t, `pmemfs_client_errors_total{client="127.0.0.1"}`, 0)
}
