package server

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCertificate replaces the files of a certificate under a server: half of it at first, which is no pair; then all; then it is removed.
func TestCertificate(t *testing.T) {
	dir := t.TempDir()
	a := &Admin{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	write := func(path string, text []byte) {
		t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := newCertificate(a, logger); err == nil {
		t.Error("a certificate that is not there is taken")
	}
	oldCert, oldKey := selfSigned(t, 1, time.Now().Add(-time.Hour))
	write(a.Cert, oldCert)
	write(a.Key, oldKey)
	c, err := newCertificate(a, logger)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "has expired"); n != 1 {
		t.Errorf("of an expired certificate the log says: %s", &log)
	}
	serial := func(want int64) {
		t.Helper()
		for range 3 {
			if got := c.current().Leaf.SerialNumber; got.Int64() != want {
				t.Errorf("certificate %v, not %d", got, want)
			}
		}
	}
	serial(1)
	newCert, newKey := selfSigned(t, 2, time.Now().Add(time.Hour))
	write(a.Cert, append(newCert, '\n'))
	serial(1)
	write(a.Key, append(newKey, '\n'))
	serial(2)
	if err := os.Remove(a.Cert); err != nil {
		t.Fatal(err)
	}
	serial(2)
	for text, want := range map[string]int{"the old one goes on": 2, "has a new certificate": 1, "has expired": 1} {
		if n := strings.Count(log.String(), text); n != want {
			t.Errorf("the log says %q %d times, not %d:\n%s", text, n, want, &log)
		}
	}
}

// TestTokenFile warns of a token that others can read, and not of one for the group that the server has.
func TestTokenFile(t *testing.T) {
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true, 0o602: true} {
		var log bytes.Buffer
		path := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		(&Admin{TokenFile: path}).warnToken(slog.New(slog.NewTextHandler(&log, nil)))
		if strings.Contains(log.String(), "chmod o=") != want {
			t.Errorf("mode %o: %s", mode, &log)
		}
	}
}

// selfSigned makes a certificate and its key.
func selfSigned(t *testing.T, serial int64, until time.Time) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: until.Add(-24 * time.Hour), NotAfter: until, DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}
