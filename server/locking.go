package server

import (
	"context"
	"fmt"
	"os"
	"time"

	"pmemfs/server/nlm"
	"pmemfs/server/peer"
	"pmemfs/server/rpc"
)

// DefaultGrace is how long clients can claim their locks again after a restart: as long as Linux has for it.
const DefaultGrace = 45 * time.Second

// graceMax bounds Locking.Grace: nobody gets a new lock meanwhile.
const graceMax = 10 * time.Minute

// Locking says how clients lock files. The zero value: they do, and cannot claim locks after a restart.
type Locking struct {
	Off   bool
	Grace time.Duration // how long they can claim their locks again
}

func (l Locking) vet() error {
	if l.Grace < 0 || l.Grace > graceMax {
		return fmt.Errorf("grace: %v is not between 0 and %v", l.Grace, graceMax)
	}
	return nil
}

// lockPrograms are those by which clients lock files. If the image cannot say who had locks there are none: files are served all
// the same.
func (i *Image) lockPrograms(c *Locking) []rpc.Program {
	if c.Off || i.readOnly {
		return nil
	}
	name, err := os.Hostname()
	if err != nil {
		i.log.Warn("this machine has no name to tell clients of a restart", "err", err)
	}
	i.peers = peer.New(0)
	locks, err := nlm.New(nlm.Config{Engine: i.eng, Exports: i.exports, Peers: i.peers, Name: name, Grace: c.Grace, Logger: i.log})
	if err != nil {
		i.log.Error("clients cannot lock files", "err", err)
		return nil
	}
	i.locks = locks
	return locks.Programs()
}

// runLocks tells clients of a restart.
func (i *Image) runLocks(ctx context.Context) error {
	if i.locks != nil {
		i.locks.Run(ctx)
	}
	<-ctx.Done()
	return nil
}

// inGrace reports whether clients may still claim their locks after a restart. The programs have been made.
func (i *Image) inGrace() bool { return i.locks != nil && i.locks.InGrace() }
