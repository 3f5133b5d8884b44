package layout

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

func allZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// randomBytes fills a new slice from a seeded source.
func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// spec returns SPEC.md.
func spec(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "SPEC.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
