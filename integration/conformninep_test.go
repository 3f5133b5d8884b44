package integration

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/integration/conformance"
)

// suiteUsers are the files in which a server finds the users of the suite and their groups: the protocol does not name those.
var suiteUsers = map[string]string{
	"passwd": `root:x:0:0::/:
alice:x:1000:1000::/:
bob:x:1001:1001::/:
mate:x:1002:1000::/:
friend:x:1003:5::/:
fellow:x:1004:77::/:
both:x:1005:9::/:
most:x:4294967294:4294967294::/:
`,
	"group": `a:x:7:friend
b:x:1000:friend
c:x:9:friend
d:x:1:most
e:x:77:alice,both
f:x:78:fellow,both
`,
}

// suiteUsersFolder writes them to a folder.
func suiteUsersFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range suiteUsers {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// ninePWay is a way to mount by 9P.
type ninePWay struct {
	cache, access string
	msize         int
}

// The ways to say who is who. With any, all are one user on the server, so that what several users do is left out.
const (
	accessUser   = "access=user"
	accessAny    = "access=any,uname=root"
	accessClient = "access=client,posixacl"
)

func (w ninePWay) options() string {
	return fmt.Sprintf("msize=%d,cache=%s,%s", w.msize, w.cache, w.access)
}

// without is what the suite leaves out: lists where the client does not know them, and asks only the mode.
func (w ninePWay) without() string {
	switch w.access {
	case accessClient:
		return ""
	case accessAny:
		return "noacl nousers"
	}
	return "noacl"
}

// Linux's client sets times to whole seconds: it does not tell the system that its files have finer ones (s_time_gran).
var secondsFault = map[string]string{
	"time/exactly 1 ns":                       "times are cut to seconds before they are sent",
	"time/exactly 999,999,999 ns":             "times are cut to seconds before they are sent",
	"time/exactly 2100 and 123,456,789 ns":    "times are cut to seconds before they are sent",
	"time/mtime in the future does not stick": "times are cut to seconds before they are sent",
}

// With cache=loose Linux asks for nothing again that it has once seen, and keeps what is written until it likes to send it.
var (
	looseFaults = map[string]string{
		"time/rename of one name of two over a file": "of the file that loses a name the client counts links down, and leaves the time",
		"size/hole takes no space":                   "the client counts blocks itself",
	}
	looseFaultsOld = map[string]string{ // of 6.1
		"time/chmod":         "what was written before is sent now, so that mtime moves",
		"time/chown":         "what was written before is sent now, so that mtime moves",
		"time/setting atime": "what was written before is sent now, so that mtime moves",
	}
	looseFaultsNew = map[string]string{ // of 6.12
		"statfs/used space of a file": "the client counts blocks itself, and not the last piece",
	}
	loosePerhaps = map[string]string{
		"time/write":                     "the time is the client's, cut to seconds: it goes back, unless a second has just begun",
		"time/write beyond the end":      "the time is the client's, cut to seconds: it goes back, unless a second has just begun",
		"time/large write":               "the time is the client's, cut to seconds: it goes back, unless a second has just begun",
		"statfs/follows what is written": "6.1 sends what is written when it likes",
	}
)

// known are the faults of a way in a kernel, and those that come and go.
func (w ninePWay) known(release string) (known, perhaps map[string]string) {
	old := strings.HasPrefix(release, "6.1.")
	known = maps.Clone(secondsFault)
	if w.access == accessClient && old {
		known["acl/default of a file"] = "the client itself refuses it, with EINVAL"
	}
	if w.cache != "loose" {
		return known, nil
	}
	maps.Copy(known, looseFaults)
	if old {
		maps.Copy(known, looseFaultsOld)
	} else {
		maps.Copy(known, looseFaultsNew)
	}
	return known, loosePerhaps
}

// crashes reports whether a kernel is known to go down: that of 6.1 does where a directory is made below a default list.
func (w ninePWay) crashes(release string) bool {
	return w.cache == "loose" && w.access == accessClient && strings.HasPrefix(release, "6.1.")
}

// ninePTargets are mounts by 9P: some ways, or all of them when there is time.
func ninePTargets(c client, ways []ninePWay) (list []target) {
	if os.Getenv(thoroughVariable) != "" {
		ways = nil
		for _, cache := range []string{"none", "mmap", "loose"} {
			for _, access := range []string{accessUser, accessAny, accessClient} {
				for _, msize := range []int{8 << 10, 1 << 20} {
					if w := (ninePWay{cache, access, msize}); !w.crashes(c.Release) {
						ways = append(ways, w)
					}
				}
			}
		}
	}
	for _, w := range ways {
		known, perhaps := w.known(c.Release)
		list = append(list, target{"9P " + w.options(), func(t *testing.T, done func(conformance.Outcome)) {
			w.run(t, c, done)
		}, known, perhaps})
	}
	return list
}

// run runs the suite on a mount of a server that knows the suite's users.
func (w ninePWay) run(t *testing.T, c client, done func(conformance.Outcome)) {
	_, port, _ := serveNineP(t, "--durability", "process", "--9p-users", suiteUsersFolder(t))
	c.mountNineP(t, port, "/mnt", w.options())
	conformInside(t, c, "/mnt", w.without(), done)
	c.sh(t, "umount /mnt")
}
