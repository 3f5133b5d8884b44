package tarball

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// The extended attributes by which Linux shows access control lists, and the records that an archive has of them.
const (
	AccessACL  = "system.posix_acl_access"
	DefaultACL = "system.posix_acl_default"

	paxAccess  = "SCHILY.acl.access"
	paxDefault = "SCHILY.acl.default"
)

// The form of Linux: a version, and entries of a tag, permissions and a number.
const (
	aclVersion = 2
	aclHead    = 4
	aclEntry   = 8
	aclNoID    = 0xffffffff
	aclMax     = 1 << 13 // entries
)

// aclTags are the tags of Linux and their words.
var aclTags = []struct {
	tag   uint16
	word  string
	named bool // has a number
}{
	{0x01, "user", false}, {0x02, "user", true}, {0x04, "group", false}, {0x08, "group", true}, {0x10, "mask", false}, {0x20, "other", false},
}

// aclText writes a list as acl_to_text(3) does, with numbers in place of names.
func aclText(b []byte) (string, error) {
	if len(b) < aclHead || binary.LittleEndian.Uint32(b) != aclVersion || (len(b)-aclHead)%aclEntry != 0 {
		return "", errors.New("an access control list in an unknown form")
	}
	var text []string
	for b = b[aclHead:]; len(b) > 0; b = b[aclEntry:] {
		tag, perm, id := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:]), binary.LittleEndian.Uint32(b[4:])
		found := false
		for _, t := range aclTags {
			if t.tag != tag {
				continue
			}
			found = true
			who := ""
			if t.named {
				who = strconv.FormatUint(uint64(id), 10)
			}
			bits := []byte("rwx")
			for i := range bits {
				if perm&(4>>i) == 0 {
					bits[i] = '-'
				}
			}
			text = append(text, t.word+":"+who+":"+string(bits))
		}
		if !found {
			return "", fmt.Errorf("an access control list with the unknown tag %#x", tag)
		}
	}
	return strings.Join(text, ","), nil
}

// parseACL reads what aclText, acl_to_text(3) and star write: entries between commas or line ends, who by name or number, maybe a
// fourth field with the number.
func parseACL(text string) ([]byte, error) {
	list := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' })
	if len(list) > aclMax {
		return nil, fmt.Errorf("an access control list of %d entries", len(list))
	}
	var entries [][]byte
	for _, item := range list {
		item, _, _ = strings.Cut(item, "#")
		item = strings.TrimPrefix(strings.TrimSpace(item), "default:")
		if item == "" {
			continue
		}
		entry, err := parseACLEntry(item)
		if err != nil {
			return nil, fmt.Errorf("access control list: %.100q: %w", item, err)
		}
		entries = append(entries, entry)
	}
	// As Linux wants them: by tag, and then by number.
	slices.SortStableFunc(entries, func(a, b []byte) int {
		return cmp.Or(cmp.Compare(binary.LittleEndian.Uint16(a), binary.LittleEndian.Uint16(b)), cmp.Compare(binary.LittleEndian.Uint32(a[4:]), binary.LittleEndian.Uint32(b[4:])))
	})
	return append(binary.LittleEndian.AppendUint32(nil, aclVersion), bytes.Join(entries, nil)...), nil
}

// aclShort are the words that may be written as one letter.
var aclShort = map[string]string{"u": "user", "g": "group", "m": "mask", "o": "other"}

func parseACLEntry(item string) ([]byte, error) {
	fields := strings.Split(item, ":")
	if len(fields) == 2 && aclWord(fields[0]) != "user" && aclWord(fields[0]) != "group" {
		fields = []string{fields[0], "", fields[1]} // mask:rwx
	}
	if len(fields) < 3 || len(fields) > 4 {
		return nil, errors.New("not TAG:WHO:PERMISSIONS")
	}
	var perm uint16
	for _, c := range fields[2] {
		bit := strings.IndexRune("rwx", c)
		if bit < 0 && c != '-' {
			return nil, fmt.Errorf("the permission %q is none", c)
		}
		if bit >= 0 {
			perm |= 4 >> bit
		}
	}
	for _, t := range aclTags {
		if t.word != aclWord(fields[0]) || t.named != (fields[1] != "") {
			continue
		}
		id := uint32(aclNoID)
		if t.named {
			var err error
			if id, err = aclWho(t.word, fields); err != nil {
				return nil, err
			}
		}
		b := binary.LittleEndian.AppendUint16(nil, t.tag)
		return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint16(b, perm), id), nil
	}
	return nil, errors.New("the tag is none")
}

func aclWord(s string) string {
	if long := aclShort[s]; long != "" {
		return long
	}
	return s
}

// aclWho returns the number of a user or a group: star's fourth field, the third if it is a number, or what this machine calls so.
func aclWho(word string, fields []string) (uint32, error) {
	for _, text := range []string{fields[len(fields)-1], fields[1]} {
		if n, err := strconv.ParseUint(text, 10, 32); err == nil && n != aclNoID {
			return uint32(n), nil
		}
	}
	number := ""
	if word == "user" {
		u, err := user.Lookup(fields[1])
		if err != nil {
			return 0, fmt.Errorf("this machine knows no user %q; tar --numeric-owner writes numbers", fields[1])
		}
		number = u.Uid
	} else {
		g, err := user.LookupGroup(fields[1])
		if err != nil {
			return 0, fmt.Errorf("this machine knows no group %q; tar --numeric-owner writes numbers", fields[1])
		}
		number = g.Gid
	}
	n, err := strconv.ParseUint(number, 10, 32)
	return uint32(n), err
}
