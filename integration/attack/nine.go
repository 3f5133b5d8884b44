package main

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
)

var le = binary.LittleEndian

// message is one of 9P.
func message(kind byte, tag uint16, fields ...any) []byte {
	b := append(make([]byte, 4), kind)
	b = le.AppendUint16(b, tag)
	for _, f := range fields {
		switch f := f.(type) {
		case uint16:
			b = le.AppendUint16(b, f)
		case uint32:
			b = le.AppendUint32(b, f)
		case uint64:
			b = le.AppendUint64(b, f)
		case string:
			b = append(le.AppendUint16(b, uint16(len(f))), f...)
		case []byte:
			b = append(le.AppendUint32(b, uint32(len(f))), f...)
		}
	}
	le.PutUint32(b, uint32(len(b)))
	return b
}

var errRefused = errors.New("attack: an error where an answer was expected")

// answer reads one message, and returns its tag.
func answer(conn net.Conn) (tag uint16, err error) {
	var head [7]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return 0, err
	}
	_, err = io.CopyN(io.Discard, conn, int64(le.Uint32(head[:]))-int64(len(head)))
	if err == nil && head[4] == 7 { // Rlerror
		err = errRefused
	}
	return le.Uint16(head[5:]), err
}

// ask sends a message and takes the answer.
func ask(conn net.Conn, b []byte) error {
	if err := send(conn, b); err != nil {
		return err
	}
	_, err := answer(conn)
	return err
}

// nineWrites keeps many Twrites outstanding that wait for the medium, to a file of each connection's own.
func nineWrites(ctx context.Context, t target, connections int) {
	data := make([]byte, block)
	each(ctx, t, connections, func(conn net.Conn) error {
		name := "attack-" + conn.LocalAddr().String()
		for _, b := range [][]byte{
			message(100, 1<<16-1, uint32(megabyte), "9P2000.L"),
			message(104, 1, uint32(1), uint32(1<<32-1), "root", "/", uint32(0)),  // Tattach
			message(14, 1, uint32(1), name, uint32(2), uint32(0o644), uint32(0)), // Tlcreate
		} {
			if err := ask(conn, b); err != nil {
				return err
			}
		}
		const depth = 64
		for i := range uint16(depth) {
			if err := send(conn, message(118, i, uint32(1), uint64(i%4)*block, data)); err != nil {
				return err
			}
		}
		for { // one answer more, one request more
			tag, err := answer(conn)
			if err != nil {
				return err
			}
			if err := send(conn, message(118, tag, uint32(1), uint64(tag%4)*block, data)); err != nil {
				return err
			}
		}
	})
}
