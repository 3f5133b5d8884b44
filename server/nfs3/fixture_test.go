package nfs3_test

import (
	"net/netip"
	"testing"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/handle"
	"pmemfs/server/nfs3"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

const imageBytes = 64 << 20

// patience is what only a hang takes: the machine may be busy with other things.
const patience = 3 * time.Minute

// fixture is an engine with a server on it, called without a network.
type fixture struct {
	t       testing.TB
	eng     *pmemfs.FS
	table   *export.Table
	srv     *nfs3.Server
	handles handle.Codec
	exp     export.Export
	xid     uint32

	uid, gid uint32
	groups   []uint32
	none     bool // AUTH_NONE
	from     netip.AddrPort
}

func newFixture(t testing.TB, change ...func(*export.Export)) *fixture {
	t.Helper()
	return newFixtureOf(t, imageBytes, change...)
}

func newFixtureOf(t testing.TB, size int64, change ...func(*export.Export)) *fixture {
	t.Helper()
	eng, err := pmemfs.OpenMemory(size, pmemfs.DomainVolatile, pmemfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := eng.Close(); err != nil {
			t.Error(err)
		}
	})
	f := &fixture{t: t, eng: eng, handles: handle.New(eng), table: export.NewTable(eng), exp: export.Default(),
		from: netip.MustParseAddrPort("127.0.0.1:700")}
	f.exp.Squash = export.SquashNone
	for _, c := range change {
		c(&f.exp)
	}
	f.serve(f.exp)
	f.srv = nfs3.New(nfs3.Config{Engine: eng, Exports: f.table})
	return f
}

// serve makes exports the ones that are served.
func (f *fixture) serve(exports ...export.Export) {
	f.t.Helper()
	set, err := export.NewSet(exports)
	if err != nil {
		f.t.Fatal(err)
	}
	f.table.Store(set)
}

// fh is the wire handle of h in the fixture's export.
func (f *fixture) fh(h pmemfs.Handle) []byte { return f.handles.Append(nil, f.exp.ID(), h) }

// netipPort is a client's address for each n.
func netipPort(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 700)
}

func (f *fixture) root() []byte { return f.fh(f.eng.Root()) }

// request is a call as the transport hands it over, with an xid of its own.
func (f *fixture) request(proc uint32, args *rpc.Encoder) *rpc.Request {
	f.xid++
	r := &rpc.Request{Remote: f.from, MayWait: true}
	r.XID, r.RPCVersion, r.Prog, r.Vers, r.Proc = f.xid, rpc.Version, nfswire.ProgNFS, nfswire.Version, proc
	r.Args = args.Bytes()
	if !f.none {
		r.CredFlavor = rpc.AuthSys
		r.Sys.UID, r.Sys.GID, r.Sys.Groups = f.uid, f.gid, f.groups
	}
	return r
}

// send carries a call out and returns the result and what follows.
func (f *fixture) send(r *rpc.Request) (rpc.Result, *rpc.Decoder) {
	f.t.Helper()
	e := rpc.NewEncoder(nil)
	result := f.srv.Program().Serve(r, e)
	return result, rpc.NewDecoder(e.Bytes())
}

// call is send for a call that is answered; it returns the status and what follows.
func (f *fixture) call(proc uint32, args *rpc.Encoder) (nfswire.Status, *rpc.Decoder) {
	f.t.Helper()
	result, d := f.send(f.request(proc, args))
	if result != rpc.Success {
		f.t.Fatalf("procedure %d: result %d", proc, result)
	}
	return nfswire.Status(d.Uint32()), d
}

// args builds arguments: byte slices and strings are opaque, integers and bools themselves, raw is XDR already.
func args(values ...any) *rpc.Encoder {
	e := rpc.NewEncoder(nil)
	for _, v := range values {
		switch v := v.(type) {
		case []byte:
			e.Opaque(v)
		case string:
			e.Opaque([]byte(v))
		case uint32:
			e.Uint32(v)
		case int:
			e.Uint32(uint32(v))
		case uint64:
			e.Uint64(v)
		case bool:
			e.Bool(v)
		case raw:
			e.Raw(v)
		default:
			panic("args: what is this?")
		}
	}
	return e
}

type raw []byte

// noAttr is sattr3 that sets nothing.
var noAttr = raw(make([]byte, 6*4))

// mode is sattr3 that sets the mode alone.
func mode(m uint32) raw { return raw(args(1, m, raw(make([]byte, 5*4))).Bytes()) }
