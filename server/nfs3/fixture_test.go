package nfs3_test

import (
	"net/netip"
	"testing"
	"time"

	"errors"
	"fmt"
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

// benchFile makes a file of n bytes.
func benchFile(b testing.TB, f *fixture, n int) pmemfs.Handle {
	b.Helper()
	c := &pmemfs.Cred{}
	a, err := f.eng.Create(c, nil, f.eng.Root(), []byte("file"), &pmemfs.CreateOptions{})
	if err != nil {
		b.Fatal(err)
	}
	if _, _, err := f.eng.Write(c, nil, a.Handle, make([]byte, n), 0); err != nil {
		b.Fatal(err)
	}
	return a.Handle
}

// hotCalls are the calls that a busy server mostly answers.
func hotCalls(b testing.TB, f *fixture) map[string]*rpc.Request {
	h := f.fh(benchFile(b, f, 1<<20))
	calls := map[string]*rpc.Request{
		"GETATTR": f.request(nfswire.ProcGetattr, args(h)),
		"LOOKUP":  f.request(nfswire.ProcLookup, args(f.root(), "file")),
		"ACCESS":  f.request(nfswire.ProcAccess, args(h, 0x3f)),
	}
	for name, n := range map[string]int{"4k": 4 << 10, "64k": 64 << 10, "1m": 1 << 20} {
		calls["READ"+name] = f.request(nfswire.ProcRead, args(h, uint64(0), n))
		calls["WRITE"+name] = f.request(nfswire.ProcWrite, args(h, uint64(0), n, nfswire.FileSync, make([]byte, n)))
	}
	return calls
}

// shapes are the results of each procedure, after the status, of a success and of a failure (RFC 1813 section 3.3):
//
//	F fattr3        a post_op_attr  w wcc_data      H post_op_fh3   h nfs_fh3       s filename3, nfspath3
//	4 uint32        8 uint64        D data, counted twice before     R, P entries of READDIR, READDIRPLUS
var shapes = [nfswire.ProcCount]struct{ ok, failure string }{
	nfswire.ProcGetattr:     {"F", ""},
	nfswire.ProcSetattr:     {"w", "w"},
	nfswire.ProcLookup:      {"haa", "a"},
	nfswire.ProcAccess:      {"a4", "a"},
	nfswire.ProcReadlink:    {"as", "a"},
	nfswire.ProcRead:        {"aD", "a"},
	nfswire.ProcWrite:       {"w448", "w"},
	nfswire.ProcCreate:      {"Haw", "w"},
	nfswire.ProcMkdir:       {"Haw", "w"},
	nfswire.ProcSymlink:     {"Haw", "w"},
	nfswire.ProcMknod:       {"Haw", "w"},
	nfswire.ProcRemove:      {"w", "w"},
	nfswire.ProcRmdir:       {"w", "w"},
	nfswire.ProcRename:      {"ww", "ww"},
	nfswire.ProcLink:        {"aw", "aw"},
	nfswire.ProcReaddir:     {"a8R", "a"},
	nfswire.ProcReaddirPlus: {"a8P", "a"},
	nfswire.ProcFsstat:      {"a8888884", "a"},
	nfswire.ProcFsinfo:      {"a44444448444", "a"},
	nfswire.ProcPathconf:    {"a444444", "a"},
	nfswire.ProcCommit:      {"w8", "w"},
}

// wellFormed returns an error unless reply is exactly what the results of a procedure look like.
func wellFormed(proc uint32, reply []byte) error {
	d := rpc.NewDecoder(reply)
	shape := shapes[proc].ok
	if proc != nfswire.ProcNull {
		if st := d.Uint32(); st != 0 {
			shape = shapes[proc].failure
		}
	}
	for _, letter := range shape {
		if err := field(d, letter); err != nil {
			return fmt.Errorf("%c: %w", letter, err)
		}
	}
	if !d.Done() {
		return fmt.Errorf("%d bytes are left, or some are missing", len(d.Rest()))
	}
	return nil
}

func field(d *rpc.Decoder, letter rune) error {
	switch letter {
	case 'F':
		if typ := d.Uint32(); typ < nfswire.TypeRegular || typ > nfswire.TypeFIFO {
			return fmt.Errorf("a type of %d", typ)
		}
		d.Fixed(nfswire.FattrBytes - 4)
	case 'a':
		if d.Bool() {
			return field(d, 'F')
		}
	case 'w':
		if d.Bool() {
			d.Fixed(24)
		}
		return field(d, 'a')
	case 'H':
		if d.Bool() {
			return field(d, 'h')
		}
	case 'h':
		if fh := d.Opaque(nfswire.HandleMax); len(fh) != handle.Bytes {
			return fmt.Errorf("a handle of %d bytes", len(fh))
		}
	case 's':
		d.Opaque(nfswire.PathMax)
	case '4':
		d.Uint32()
	case '8':
		d.Uint64()
	case 'D':
		n := d.Uint32()
		d.Bool()
		if data := d.Opaque(1 << 20); uint32(len(data)) != n {
			return fmt.Errorf("%d bytes of data, said to be %d", len(data), n)
		}
	case 'R', 'P':
		return entries(d, letter == 'P')
	}
	return nil
}

func entries(d *rpc.Decoder, plus bool) error {
	for d.Bool() {
		ino, name, cookie := d.Uint64(), d.Opaque(nfswire.NameMax), d.Uint64()
		if ino == 0 || len(name) == 0 || cookie == 0 {
			return errors.New("an entry of nothing")
		}
		if plus {
			if err := field(d, 'a'); err != nil {
				return err
			}
			if err := field(d, 'H'); err != nil {
				return err
			}
		}
	}
	d.Bool()
	return nil
}
