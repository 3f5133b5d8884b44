// Package filedata puts the data of files into replies: the read path that NFS and 9P share.
//
// # How data gets to the client
//
//	how much is asked for       how it travels
//	less than directBytes       copied from the medium into the reply: a system call of its own would cost more than the copy
//	from there on               sent from the medium to the socket, if the connection can send now; else copied
//
// What is copied in large pieces takes a large buffer, of which there are few. So a large read is cut to the file's size first, and
// may wait for the file in its connection's turn: beside the other calls it would need one buffer more.
//
// # Bad memory
//
// A copy that meets bad memory ends in front of it, and the next read fails. Memory that turns out to be bad after a reply has begun
// leaves no way back: the connection ends. What is done about that depends on the client (Reader.Retries).
//
// # Concurrency and durability
//
// A Reader serves one call at a time, and many in turn. It allocates nothing. Nothing here changes the medium.
package filedata

import (
	"errors"
	"log/slog"
	"sync/atomic"

	"pmemfs/pmemfs"
	"pmemfs/server/rpc"
)

const (
	// largeBytes is from how much data on a copy needs memory that it had better not ask for in vain.
	largeBytes = 64 << 10
	// directBytes is from how much data on it is sent from the medium.
	directBytes = 32 << 10
	// padMax is the most that a protocol appends to the data.
	padMax = 3
)

// Reader reads data into the replies of one protocol.
type Reader struct {
	Engine *pmemfs.FS
	Logger *slog.Logger
	// HeadBytes is how much of a reply stands before the data. FillHead writes it in a reply that is sent from the medium, for n bytes of
	// data; in others the caller of Read does.
	HeadBytes int
	FillHead  func(b []byte, n int, eof bool)
	// Retries is for a protocol whose clients connect anew and ask once more: a reply may end in the middle, at memory that turns out to
	// be bad, and from then on all data is copied first. All readers of a server share it. It is nil for a protocol whose clients lose
	// all with the connection: there the memory is loaded from before a reply begins.
	Retries *atomic.Bool

	r      *rpc.Request
	e      *rpc.Encoder
	direct pmemfs.Direct
}

// Read is a read of up to n bytes.
type Read struct {
	Request *rpc.Request
	Encoder *rpc.Encoder
	Cred    *pmemfs.Cred
	Call    *pmemfs.Call
	File    pmemfs.Handle
	Offset  uint64
	Bytes   int
}

// Read appends room for the head and the data that the file has: n bytes, and whether they end at the file's end. The caller fills head in. It is
// nil when the whole reply has left already, or its connection has ended. On an error nothing is appended. Errors are those of
// pmemfs.FS.Read.
func (d *Reader) Read(q *Read) (head []byte, n int, eof bool, err error) {
	if q.Bytes > largeBytes {
		q.Call.NoWait = false
	}
	if q.Bytes >= directBytes && q.Request.TryDirect() {
		if sent, err := d.send(q); sent || err != nil {
			return nil, 0, false, err
		}
	}
	return d.copy(q)
}

// send sends the reply from where the data lies. Where it cannot, because of bad memory too, there is no reply yet, and a copy tells how much
// of the data is good.
func (d *Reader) send(q *Read) (sent bool, err error) {
	d.r, d.e = q.Request, q.Encoder
	sent, err = d.sendFrom(q)
	d.r, d.e = nil, nil
	switch {
	case sent && err != nil:
		d.Logger.Error("bad memory in the middle of a reply: the connection is closed", "client", q.Request.Remote.String(), "inode", q.File.Ino, "error", err)
		return true, nil
	case errors.Is(err, pmemfs.ErrIO):
		return sent, nil
	}
	return sent, err
}

// sendFrom has the engine send. Whatever happens, others can send then.
func (d *Reader) sendFrom(q *Read) (sent bool, err error) {
	defer func() { sent = q.Request.EndDirect(q.Encoder) }()
	if d.Retries != nil && d.Retries.Load() {
		return false, nil
	}
	if d.direct.Send == nil {
		d.direct.Send, d.direct.Prefault = d.sendParts, d.Retries == nil
	}
	begun, err := d.Engine.ReadTo(q.Cred, q.Call, q.File, q.Bytes, q.Offset, &d.direct)
	if begun && err != nil && d.Retries != nil {
		d.Retries.Store(true) // before the connection ends: the client may ask once more at once
	}
	return false, err
}

func (d *Reader) sendParts(parts [][]byte, n int, eof bool) {
	d.FillHead(d.e.Extend(d.HeadBytes), n, eof)
	d.r.Direct(d.e, parts, n)
}

// copy appends the reply with a copy of the data.
func (d *Reader) copy(q *Read) (head []byte, n int, eof bool, err error) {
	room := q.Bytes
	if room > largeBytes {
		a, err := d.Engine.Getattr(nil, q.File)
		if err != nil {
			return nil, 0, false, err
		}
		room = int(min(uint64(room), a.Size-min(q.Offset, a.Size)))
	}
	e, at := q.Encoder, q.Encoder.Len()
	e.Grow(d.HeadBytes + room + padMax)
	b := e.Extend(d.HeadBytes + room)
	n, eof, err = d.Engine.Read(q.Cred, q.Call, q.File, b[d.HeadBytes:], q.Offset)
	if err != nil {
		e.Truncate(at)
		return nil, 0, false, err
	}
	e.Truncate(at + d.HeadBytes + n)
	return b[:d.HeadBytes], n, eof, nil
}
