package rpc

import (
	"bytes"
	"errors"
	"testing"

	"pmemfs/pmemfs/testpart"
)

// FuzzParseReply: any bytes are results, a refusal, or no reply.
func FuzzParseReply(f *testing.F) {
	testpart.NotRace(f)
	for _, ws := range [][]uint32{{1, 1, 0, 0, 0, 0, 7}, {1, 1, 0, 0, 0, 2, 3, 4}, {1, 1, 1, 0, 2, 2}, {1, 1, 1, 1, 5}, {1, 1, 0, 6, 4, 9, 5}} {
		e := NewEncoder(nil)
		for _, w := range ws {
			e.Uint32(w)
		}
		f.Add(e.Bytes())
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		results, err := parseReply(record, 1)
		switch {
		case err == nil:
			if !bytes.HasSuffix(record, results) {
				t.Fatalf("results % x", results)
			}
		case !errors.Is(err, ErrNotReply) && !errors.Is(err, ErrRefused) || err.Error() == "":
			t.Fatal(err)
		}
	})
}
