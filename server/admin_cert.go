package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"
)

// certificate is that of the admin port, which may be renewed under it. While new files are no pair, or are gone, the old one goes on.
type certificate struct {
	cert, key string
	log       *slog.Logger

	mu   sync.Mutex // comes last but for the files, of which nobody else waits for any
	pair *tls.Certificate
	seen [2]stamp // of the files that pair is from, or that were no pair
}

// stamp tells a file from what was there before.
type stamp struct {
	size     int64
	modified time.Time
	mode     os.FileMode // which may be why it could not be read
	uid, gid uint32
	ino      uint64
}

// newCertificate reads a certificate.
//
// Errors: those of the files.
func newCertificate(a *Admin, log *slog.Logger) (*certificate, error) {
	c := &certificate{cert: a.Cert, key: a.Key, log: log}
	c.seen = c.look()
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return nil, fmt.Errorf("certificate of the admin port: %w", err)
	}
	c.take(&pair)
	return c, nil
}

// take goes on with a pair. mu is held, or nobody else has c.
func (c *certificate) take(pair *tls.Certificate) {
	c.pair = pair
	if time.Now().After(pair.Leaf.NotAfter) {
		c.log.Warn("the certificate of the admin port has expired: clients refuse it", "path", c.cert)
	}
}

// look returns how the files are; zero for one that is not there.
func (c *certificate) look() (seen [2]stamp) {
	for n, path := range []string{c.cert, c.key} {
		if st, err := os.Stat(path); err == nil {
			seen[n] = stamp{size: st.Size(), modified: st.ModTime(), mode: st.Mode()}
			if own, ok := st.Sys().(*syscall.Stat_t); ok {
				seen[n].uid, seen[n].gid, seen[n].ino = own.Uid, own.Gid, own.Ino
			}
		}
	}
	return seen
}

// current returns the certificate for a connection. Files are read when they have changed.
func (c *certificate) current() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.look()
	if seen == c.seen {
		return c.pair
	}
	c.seen = seen
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		c.log.Warn("the new certificate of the admin port cannot be read: the old one goes on", "path", c.cert, "error", err)
		return c.pair
	}
	c.take(&pair)
	c.log.Info("the admin port has a new certificate", "path", c.cert)
	return c.pair
}

// tls is how the port speaks TLS.
func (c *certificate) tls() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current(), nil }}
}
