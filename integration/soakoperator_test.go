package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"pmemfs/integration/harness"
)

// soakImage is the size of the image of a soak.
const soakImage = "256MiB"

// soakAccessLog is the server's log of calls, in its folder. One call in so many is in it.
const (
	soakAccessLog = "calls.log"
	soakLogged    = 100
)

// operator does in turn what operators do, by the commands they have.
type operator struct {
	t                       *testing.T
	dir, image, file, admin string
	nine                    string
	done                    int
	made, gone              int // snapshots
}

// configure writes a configuration, each time another one.
func (o *operator) configure() {
	o.t.Helper()
	text := fmt.Sprintf("image = %q\nsize = %q\nadmin = %q\n\"9p\" = [%q]\naccess_log = %q\naccess_log_sample = %d\nscrub_rate = \"%dMiB\"\n",
		o.image, soakImage, o.admin, o.nine, filepath.Join(o.dir, soakAccessLog), soakLogged, 64+o.done%8)
	text += "[[export]]\nname = \"/\"\nsquash = \"none\"\n[[snapshots]]\nprefix = \"auto-\"\nevery = \"2s\"\nkeep = {last = 3}\n"
	if err := os.WriteFile(o.file, []byte(text), 0o600); err != nil {
		o.t.Fatal(err)
	}
}

// work does one thing after the other until it is stopped.
func (o *operator) work(stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		case <-time.After(300 * time.Millisecond):
		}
		if err := o.next(); err != nil {
			return fmt.Errorf("operator: %w", err)
		}
		o.done++
	}
}

// next does one thing.
func (o *operator) next() error {
	snapshot := func(n int) string { return "soak-" + strconv.Itoa(n) }
	switch o.done % 9 {
	case 0:
		o.made++
		return o.pmemfs("snapshot", "create", o.image, snapshot(o.made))
	case 1:
		return o.pmemfs("quota", "set", o.image, "--user", strconv.Itoa(1000+o.done%5), "--bytes", "10MiB")
	case 2:
		return o.pmemfs("scrub", o.image, "--quiet")
	case 3:
		o.configure()
		return o.pmemfs("reload", o.image)
	case 4:
		return o.pmemfs("status", o.image, "--json")
	case 5:
		return o.healthy()
	case 6:
		return o.pmemfs("snapshot", "check", o.image, snapshot(o.made), "--quiet")
	case 7: // the log is moved away, and begun anew
		name := filepath.Join(o.dir, soakAccessLog)
		if err := os.Rename(name, name+".old"); err != nil {
			return err
		}
		if err := o.pmemfs("reload", o.image); err != nil {
			return err
		}
		_, err := os.Stat(name)
		return err
	}
	if o.made-o.gone < 3 {
		return nil
	}
	o.gone++
	return o.pmemfs("snapshot", "delete", o.image, snapshot(o.gone))
}

// healthy asks whether the server answers. It is given seconds to; on a machine that others keep busy it may be asked again.
func (o *operator) healthy() (err error) {
	for deadline := time.Now().Add(patience); ; {
		if err = o.pmemfs("health", o.admin); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// cleanUp takes away what the operator has made.
func (o *operator) cleanUp() {
	o.t.Helper()
	list := snapshotNames(o.t, o.dir, o.image)
	for _, name := range list[:max(len(list)-3, 0)] { // a schedule may take one of its last away meanwhile
		harness.MustRun(o.t, o.dir, "snapshot", "delete", o.image, name)
	}
	if err := o.pmemfs("quota", "check", o.image); err != nil {
		o.t.Error(err)
	}
}

// pmemfs runs a command that is to succeed.
func (o *operator) pmemfs(args ...string) error {
	if r := harness.Run(o.t, o.dir, args...); r.Status != 0 {
		return fmt.Errorf("%q: status %d: %s%s", args, r.Status, r.Stdout, r.Stderr)
	}
	return nil
}
