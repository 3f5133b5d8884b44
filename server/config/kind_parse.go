package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/rpc"
)

// Owner is who has the root directory of a new filesystem.
type Owner struct{ UID, GID uint32 }

// Account is a user or a group, by name or number.
type Account struct {
	Name string // "" if there is a number
	ID   uint32
}

func parseBool(text string) (any, error) {
	switch text {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return nil, fmt.Errorf("it is true or false, not %q", text)
}

// parsePart is a part of something: above 0, up to 1.
func parsePart(text string) (any, error) {
	part, err := strconv.ParseFloat(text, 64)
	if err != nil || !(part > 0 && part <= 1) { // nor what is no number
		return nil, fmt.Errorf("it is a part above 0 and up to 1, such as 0.01, not %q", cut(text))
	}
	return part, nil
}

func parseText(text string) (any, error) {
	if strings.ContainsAny(text, "\x00\n") {
		return nil, fmt.Errorf("%q has a character that cannot be there", cut(text))
	}
	return text, nil
}

// parseAddress reads an address to listen on, such as an example. The host may be left out where another one's counts then.
func parseAddress(text, example string) (any, error) {
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no address: write host:port, such as %s", text, example)
	}
	if n, err := strconv.ParseUint(port, 10, 64); err == nil && n > 65535 {
		return nil, fmt.Errorf("%q is no address: a port is from 0 to 65535", text)
	}
	if port == "" {
		return nil, fmt.Errorf("%q is no address: it has no port", text)
	}
	return text, nil
}

func parseNineP(text string) (any, error) {
	if where, ok := strings.CutPrefix(text, "unix:"); ok {
		if where == "" {
			return nil, errors.New("unix: is to be followed by the path of a socket")
		}
		return text, nil
	}
	if _, err := parseAddress(text, ":564"); err != nil {
		return nil, fmt.Errorf("%q is no address: write host:port, such as :564, or unix:PATH", text)
	}
	return text, nil
}

func parseAdmin(text string) (any, error) {
	if text == AdminOff {
		return text, nil
	}
	if best := nearest(text, []string{AdminOff}); best != "" {
		return nil, fmt.Errorf("%q is no address; did you mean %s?", text, AdminOff)
	}
	return parseAddress(text, "127.0.0.1:9049")
}

var hostMatch = regexp.MustCompile(hostPattern)

func parseHost(text string) (any, error) {
	if !hostMatch.MatchString(text) {
		return nil, fmt.Errorf("%q is no name of a host: it has neither scheme nor path", text)
	}
	return text, nil
}

func parseURL(text string) (any, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is no URL that begins with http:// or https://", redact(text))
	}
	return text, nil
}

// redact takes out of a URL what may be a secret: a password, a user without one, and the query. Collectors take tokens as each of them.
func redact(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" {
		return "it"
	}
	if u.User != nil {
		if _, has := u.User.Password(); !has { // then the name may be a token
			u.User = url.User("xxxxx")
		}
	}
	if u.RawQuery != "" {
		u.RawQuery = "xxxxx"
	}
	u.Fragment, u.RawFragment = "", ""
	return u.Redacted()
}

func parseSizeValue(text string) (any, error) { return ParseSize(text) }

// parseMemory is a size that requests can do with.
func parseMemory(text string) (any, error) {
	n, err := ParseSize(text)
	if err == nil && n < rpc.BudgetMin {
		return nil, fmt.Errorf("requests cannot do with %s of memory: they take %dMiB at least", text, rpc.BudgetMin>>20)
	}
	return n, err
}

// parseLimit is a size that may be 0, for none.
func parseLimit(text string) (any, error) {
	if strings.TrimSpace(text) == "0" {
		return int64(0), nil
	}
	return ParseSize(text)
}

var days = regexp.MustCompile(`^([0-9]+)([dw])$`)

// inHours says how a number of days or weeks is written.
func inHours(text string) string {
	m := days.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	n, err := strconv.ParseInt(m[1], 10, 32)
	if err != nil {
		return ""
	}
	if m[2] == "w" {
		n *= 7
	}
	return fmt.Sprintf("; did you mean \"%dh\"?", 24*n)
}

func parseNetwork(text string) (any, error) { return export.ParseNetwork(text) }

// parseInside reads a path inside an image.
func parseInside(text string) (any, error) {
	if !path.IsAbs(text) || path.Clean(text) != text || strings.ContainsRune(text, 0) || len(text) > export.PathMax {
		return nil, fmt.Errorf("%q is not an absolute, cleaned path of at most %d bytes%s", cut(text), export.PathMax, cleaned(text))
	}
	return text, nil
}

// cleaned says how a path is written.
func cleaned(text string) string {
	if text == "" || strings.ContainsRune(text, 0) || len(text) > export.PathMax {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", path.Clean("/"+text))
}

func parseOwner(text string) (any, error) {
	uid, gid, ok := strings.Cut(text, ":")
	u, err1 := parseID(uid)
	g, err2 := parseID(gid)
	if !ok || err1 != nil || err2 != nil {
		return nil, fmt.Errorf("the owner is UID:GID in numbers, not %q", text)
	}
	return Owner{u, g}, nil
}

func parseMode(text string) (any, error) {
	m, err := strconv.ParseUint(text, 8, 32)
	if err != nil || m == 0 || m > 0o7777 {
		return nil, fmt.Errorf("it is an octal mode such as 0755 or 1777, not %q", text)
	}
	return uint32(m), nil
}

func parseNumber(what, text string, least, most int64) (any, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && (n < least || most > 0 && n > most):
		if most == 0 {
			return nil, fmt.Errorf("%s is at least %d, not %s", what, least, text)
		}
		return nil, fmt.Errorf("%s is from %d to %d, not %s", what, least, most, text)
	case err != nil:
		return nil, fmt.Errorf("%s is a number, not %q", what, text)
	}
	return n, nil
}

var accountMatch = regexp.MustCompile(accountPattern)

// parseAccount reads a user or a group. Whether there is one of a name is known by the machine that serves.
func parseAccount(what string) func(text string) (any, error) {
	return func(text string) (any, error) {
		if !accountMatch.MatchString(text) {
			return nil, fmt.Errorf("%q is neither the name nor the number of a %s", text, what)
		}
		n, err := strconv.ParseUint(text, 10, 32)
		switch {
		case err == nil && n == 0 || text == "root" && what == "user":
			return nil, errors.New("root cannot be limited")
		case err == nil && uint32(n) != pmemfs.NoID:
			return Account{ID: uint32(n)}, nil
		case text[0] >= '0' && text[0] <= '9':
			return nil, fmt.Errorf("%s is no number of a %s", text, what)
		}
		return Account{Name: text}, nil
	}
}

// parseEvery is a time between two snapshots; package schedule has the bounds.
func parseEvery(text string) (any, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no time: it is such as \"45s\"%s", text, inHours(text))
	}
	return d, nil
}
