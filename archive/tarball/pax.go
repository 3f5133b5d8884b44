package tarball

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The records that GNU tar has of sparse files.
const (
	paxSparse    = "GNU.sparse."
	paxXattr     = "SCHILY.xattr."
	xattrsMax    = 4096
	secondDigits = 9
)

// parse reads PAX records: "LENGTH KEY=VALUE\n", the length that of all of it.
func (p *pending) parse(text []byte) error {
	bad := errors.New("its PAX header is damaged")
	for len(text) > 0 {
		digits, _, ok := bytes.Cut(text[:min(len(text), 20)], []byte{' '})
		n, err := strconv.ParseUint(string(digits), 10, 32)
		if !ok || err != nil || n > uint64(len(text)) || n < uint64(len(digits))+3 || text[n-1] != '\n' {
			return bad
		}
		key, value, ok := strings.Cut(string(text[len(digits)+1:n-1]), "=")
		if !ok || key == "" {
			return bad
		}
		text = text[n:]
		if key == paxSparse+"offset" || key == paxSparse+"numbytes" {
			p.sparse00 = append(p.sparse00, value)
			continue
		}
		if p.pax == nil {
			p.pax = make(map[string]string)
		}
		p.pax[key] = value
	}
	return nil
}

// apply lets the records say what the header could not.
func (p *pending) apply(e *Entry, stored *uint64) error {
	for _, key := range slices.Sorted(maps.Keys(p.pax)) {
		if err := p.applyOne(e, stored, key, p.pax[key]); err != nil {
			return fmt.Errorf("record %.100q: %w", key, err)
		}
	}
	// What a sparse file is really called counts more.
	if name, ok := p.pax[paxSparse+"name"]; ok && name != "" {
		e.Name = name
	}
	if len(e.Xattrs) > xattrsMax {
		return fmt.Errorf("it has %d extended attributes", len(e.Xattrs))
	}
	return nil
}

func (p *pending) applyOne(e *Entry, stored *uint64, key, value string) (err error) {
	if name, ok := strings.CutPrefix(key, paxXattr); ok {
		e.Xattrs = append(e.Xattrs, Xattr{name, []byte(value)})
		return nil
	}
	if value == "" {
		return nil // takes back what a global header said
	}
	switch key {
	case "path":
		e.Name = value
	case "linkpath":
		e.Target = value
	case "size":
		*stored, err = strconv.ParseUint(value, 10, 63)
	case "uid":
		e.UID, err = paxID(value)
	case "gid":
		e.GID, err = paxID(value)
	case "mtime":
		e.Mtime, err = parseTime(value)
	case "atime":
		e.Atime, err = parseTime(value)
		e.HasAtime = true
	case "SCHILY.devmajor":
		e.Major, err = paxID(value)
	case "SCHILY.devminor":
		e.Minor, err = paxID(value)
	case paxAccess, paxDefault:
		name := AccessACL
		if key == paxDefault {
			name = DefaultACL
		}
		var list []byte
		if list, err = parseACL(value); err == nil && len(list) > aclHead {
			e.Xattrs = append(e.Xattrs, Xattr{name, list})
		}
	}
	return err
}

func paxID(value string) (uint32, error) {
	n, err := strconv.ParseUint(value, 10, 32)
	return uint32(n), err
}

// parseTime reads seconds with a fraction, as nanoseconds.
func parseTime(s string) (int64, error) {
	whole, fraction, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || sec > math.MaxInt64/int64(1e9)-1 || sec < math.MinInt64/int64(1e9)+1 {
		return 0, fmt.Errorf("the time %.40q is out of range", s)
	}
	fraction = (fraction + strings.Repeat("0", secondDigits))[:secondDigits]
	ns, err := strconv.ParseUint(fraction, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%.40q is no time", s)
	}
	if strings.HasPrefix(whole, "-") {
		return sec*1e9 - int64(ns), nil
	}
	return sec*1e9 + int64(ns), nil
}

// formatTime is the inverse of parseTime.
func formatTime(t int64) string {
	sign, u := "", uint64(t)
	if t < 0 {
		sign, u = "-", -uint64(t)
	}
	text := strconv.FormatUint(u/1e9, 10)
	if ns := u % 1e9; ns != 0 {
		text += "." + strings.TrimRight(fmt.Sprintf("%09d", ns), "0")
	}
	return sign + text
}

// record writes one PAX record. Its length counts itself.
func record(key string, value string) string {
	n := len(key) + len(value) + 3 // space, "=", line end
	length := n + len(strconv.Itoa(n))
	if len(strconv.Itoa(length)) > len(strconv.Itoa(n)) {
		length++
	}
	return strconv.Itoa(length) + " " + key + "=" + value + "\n"
}
