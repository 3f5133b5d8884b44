package nsm

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"

	"pmemfs/pmemfs"
)

// The values of the image's key-value store that are ours. SPEC.md has their form.
const (
	stateKey      = "nsm"
	hostPrefix    = "nsm."
	recordVersion = 1
)

// keyOf is the key of a host's value.
func keyOf(h Host) string {
	sum := sha256.Sum256([]byte(h.Addr.String() + "\x00" + h.Name))
	return hostPrefix + hex.EncodeToString(sum[:16])
}

// encode makes a host's record.
func encode(h Host, local netip.Addr, state uint32) []byte {
	b := []byte{recordVersion}
	here := ""
	if local.IsValid() {
		here = local.String()
	}
	for _, s := range []string{h.Addr.String(), here, h.Name} {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(s)))
		b = append(b, s...)
	}
	return binary.LittleEndian.AppendUint32(b, state)
}

// decode reads a record; false if it is none that encode makes.
func decode(b []byte) (h Host, x host, ok bool) {
	if len(b) == 0 || b[0] != recordVersion {
		return h, x, false
	}
	b = b[1:]
	var words [3]string
	for i := range words {
		if len(b) < 2 || len(b)-2 < int(binary.LittleEndian.Uint16(b)) {
			return h, x, false
		}
		n := 2 + int(binary.LittleEndian.Uint16(b))
		words[i], b = string(b[2:n]), b[n:]
	}
	addr, err := netip.ParseAddr(words[0])
	if err != nil || len(b) != 4 || words[2] == "" || len(words[2]) > NameMax {
		return h, x, false
	}
	if words[1] != "" {
		if x.local, err = netip.ParseAddr(words[1]); err != nil {
			return h, x, false
		}
	}
	x.state = binary.LittleEndian.Uint32(b)
	return Host{addr, words[2]}, x, true
}

// load reads what an earlier incarnation has left. Records that make no sense are logged and dropped.
func (m *Monitor) load() error {
	names, err := m.c.Engine.Keys()
	if err != nil {
		return err
	}
	for _, name := range names {
		if name != stateKey && !strings.HasPrefix(name, hostPrefix) {
			continue
		}
		value, err := m.c.Engine.Value(name)
		if err != nil {
			return err
		}
		if name == stateKey {
			if len(value) == 4 {
				m.state = binary.LittleEndian.Uint32(value)
			}
			continue
		}
		h, x, ok := decode(value)
		if !ok || keyOf(h) != name {
			m.log.Warn("a record of a client with locks makes no sense", "state", name)
			if err := m.c.Engine.DeleteValue(name); err != nil && !errors.Is(err, pmemfs.ErrReadOnly) {
				return err
			}
			continue
		}
		x.saved, x.recovering, x.used = true, true, m.start
		m.hosts[h] = &x
		m.count(h, 1)
	}
	m.state = max(next(m.state), m.c.State)
	return nil
}

// next is the state number after one: odd, which says that the host is up.
func next(state uint32) uint32 { return (state | 1) + 2 }

// NextState is the state number that the monitor of an image will have. The images of one server are one host to clients, which claim their locks when
// they hear of another number than before: so they have the highest number of all.
//
// Errors: those of pmemfs.FS.Value, but for pmemfs.ErrNotExist.
func NextState(eng *pmemfs.FS) (uint32, error) {
	value, err := eng.Value(stateKey)
	switch {
	case errors.Is(err, pmemfs.ErrNotExist):
		return next(0), nil
	case err != nil:
		return 0, err
	case len(value) != 4:
		return next(0), nil
	}
	return next(binary.LittleEndian.Uint32(value)), nil
}
