// Package config reads what a server is to do from a file in TOML, and exports from the command line.
//
// It is strict: a key that it does not know, a value of another type, or one that makes no sense is an error, which names the
// file, the line and the key. What it returns shares nothing with its input.
package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/schedule"
)

// fileBytesMax bounds a configuration file.
const fileBytesMax = 1 << 20

// NoControl in place of the path of a socket means that there is none.
const NoControl = "none"

// File is what a configuration file says. A field that the file leaves out is zero.
type File struct {
	Image      string         // relative paths count from the file's folder
	NFS        string         // address to listen on, host:port
	NineP      []string       // addresses to serve 9P on
	NinePUsers string         // folder with passwd and group
	Control    string         // path of the socket for commands, or NoControl
	NFSStack   string         // implementation of NFS
	Durability string         // checked
	Portmap    string         // address to answer as a portmapper on
	Register   bool           // with the machine's rpcbind
	NoLocks    bool           // clients cannot lock files
	Sparse     bool           // serve an image that has not all of its blocks as it is
	Memory     int64          // bytes for requests; 0 for the default
	Grace      *time.Duration // to claim locks after a restart; nil if it is left out
	Exports    []export.Export
	Said       []Keys // the keys that the stanza of each export has
	Snapshots  []schedule.Schedule
}

// document is the form of the file.
type document struct {
	Image      filled   `toml:"image"`
	NFS        filled   `toml:"nfs"`
	NineP      []filled `toml:"9p"`
	NinePUsers filled   `toml:"9p_users"`
	Control    filled   `toml:"control"`
	NFSStack   filled   `toml:"nfs_stack"`
	Durability level    `toml:"durability"`
	Portmap    filled   `toml:"portmap"`
	Register   bool     `toml:"register"`
	NoLocks    bool     `toml:"no_locks"`
	Sparse     bool     `toml:"sparse"`
	Memory     bytes    `toml:"memory"`
	Grace      *period  `toml:"grace"`
	Exports    []stanza `toml:"export"`
	Snapshots  []timing `toml:"snapshots"`
}

// stanza is one [[export]].
type stanza struct {
	Name       filled    `toml:"name"`
	Subtree    filled    `toml:"subtree"`
	ReadOnly   bool      `toml:"read_only"`
	Squash     squash    `toml:"squash"`
	AnonUID    *uint32   `toml:"anon_uid"`
	AnonGID    *uint32   `toml:"anon_gid"`
	Clients    []network `toml:"clients"`
	SecurePort bool      `toml:"secure_port"`
	Offsets    *int      `toml:"directory_offsets"`
	Snapshots  shown     `toml:"snapdir"`
}

// Read reads a file.
//
// Errors: those of the file; those of Parse, with the file in front.
func Read(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, fileBytesMax+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	if c.Image != "" && !filepath.IsAbs(c.Image) {
		c.Image = filepath.Join(filepath.Dir(path), c.Image)
	}
	if c.NinePUsers != "" && !filepath.IsAbs(c.NinePUsers) {
		c.NinePUsers = filepath.Join(filepath.Dir(path), c.NinePUsers)
	}
	if c.Control != "" && c.Control != NoControl && !filepath.IsAbs(c.Control) {
		c.Control = filepath.Join(filepath.Dir(path), c.Control)
	}
	return c, nil
}

// Parse is Read of a text.
//
// Errors: an unknown key, a value of another kind or that makes no sense, and those of export.NewSet. They begin with the line, as far as it is
// known, and name the key.
func Parse(text []byte) (*File, error) {
	if len(text) > fileBytesMax {
		return nil, fmt.Errorf(" larger than %d bytes", fileBytesMax)
	}
	var d document
	decoder := toml.NewDecoder(strings.NewReader(string(text))).DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		return nil, explain(text, err)
	}
	said, err := exact(text)
	if err != nil {
		return nil, err
	}
	c := &File{Image: d.Image.text, NFS: d.NFS.text, NinePUsers: d.NinePUsers.text, Control: d.Control.text, NFSStack: d.NFSStack.text, Durability: d.Durability.name,
		Said: said, Portmap: d.Portmap.text, Register: d.Register, NoLocks: d.NoLocks, Sparse: d.Sparse, Memory: d.Memory.n}
	if d.Grace != nil {
		c.Grace = &d.Grace.Duration
	}
	for _, address := range d.NineP {
		c.NineP = append(c.NineP, address.text)
	}
	for _, s := range d.Exports {
		e, err := s.export()
		if err != nil {
			return nil, fmt.Errorf(" export %q: %w", e.Name, err)
		}
		c.Exports = append(c.Exports, e)
	}
	if len(c.Exports) > 0 {
		if _, err := export.NewSet(c.Exports); err != nil {
			return nil, fmt.Errorf(" %w", err)
		}
	}
	if c.Snapshots, err = schedules(text, d.Snapshots); err != nil {
		return nil, err
	}
	return c, nil
}

// export fills in what a stanza leaves out.
func (s *stanza) export() (e export.Export, err error) {
	e = export.Default()
	if s.Name.text != "" {
		e.Name = s.Name.text
	}
	if e.Subtree = s.Subtree.text; e.Subtree == "" {
		e.Subtree = e.Name
	}
	if s.AnonUID != nil {
		e.AnonUID = *s.AnonUID
	}
	if s.AnonGID != nil {
		e.AnonGID = *s.AnonGID
	}
	for _, n := range s.Clients {
		e.Clients = append(e.Clients, n.Prefix)
	}
	e.ReadOnly, e.Squash, e.SecurePort = s.ReadOnly, s.Squash.Squash, s.SecurePort
	e.Snapshots = s.Snapshots.Snapshots
	if s.Offsets != nil {
		e.ShortOffsets, err = shortOffsets(*s.Offsets)
	}
	return e, err
}

// explain says where in a text an error of the decoder is, and about which key.
func explain(text []byte, err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		first := &unknown.Errors[0]
		if _, err := exact(text); err != nil && first.Key()[0] == "snapshots" {
			return err // which knows keys of a table within a table
		}
		line, _ := first.Position()
		return fmt.Errorf("%d: %s: unknown key", line, strings.Join(first.Key(), "."))
	}
	var wrong *toml.DecodeError
	if !errors.As(err, &wrong) {
		if _, known := exact(text); known != nil {
			return known // which knows the line
		}
		return fmt.Errorf(" %w", err)
	}
	line, _ := wrong.Position()
	key := strings.Join(wrong.Key(), ".")
	if key == "" {
		key = keyOn(text, line)
	}
	reason := strings.TrimPrefix(wrong.Error(), "toml: ")
	if m := wrongType.FindStringSubmatch(reason); m != nil {
		reason = "a value of another kind is wanted: " + kindOf(m[1])
	}
	return fmt.Errorf("%d: %s: %s", line, key, reason)
}

// wrongType is what the decoder says of a value of the wrong type.
var wrongType = regexp.MustCompile(`^cannot decode TOML .* of type (\S+)`)

// kindOf says what values a type has.
func kindOf(goType string) string {
	switch {
	case strings.HasPrefix(goType, "[]"):
		return "a list in brackets"
	case goType == "bool":
		return "true or false"
	case strings.Contains(goType, "int"):
		return "a number"
	}
	return "text in quotes"
}

// keyOn returns the key of a line, or all of it if it has none.
func keyOn(text []byte, line int) string {
	lines := strings.Split(string(text), "\n")
	if line < 1 || line > len(lines) {
		return "end of file"
	}
	key, _, _ := strings.Cut(lines[line-1], "=")
	const longest = 40
	return fmt.Sprintf("%.*s", longest, strings.TrimSpace(key))
}

// period is a time such as "45s".
type period struct{ time.Duration }

// UnmarshalText reads it.
func (p *period) UnmarshalText(text []byte) (err error) {
	if p.Duration, err = time.ParseDuration(string(text)); err != nil {
		return fmt.Errorf("%q is no time: it is such as \"45s\"", text)
	}
	return nil
}

// level is a durability by its name.
type level struct{ name string }

// UnmarshalText checks the name.
func (l *level) UnmarshalText(text []byte) error {
	if _, err := pmemfs.ParseDurability(string(text)); err != nil {
		return fmt.Errorf("durability is power or process, not %q", text)
	}
	l.name = string(text)
	return nil
}
