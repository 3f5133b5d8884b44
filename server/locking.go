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
func (s *Server) lockPrograms(c *Config) []rpc.Program {
	if c.Locking.Off {
		return nil
	}
	name, err := os.Hostname()
	if err != nil {
		s.log.Warn("this machine has no name to tell clients of a restart", "err", err)
	}
	s.peers = peer.New(0)
	locks, err := nlm.New(nlm.Config{Engine: s.eng, Exports: s.exports, Peers: s.peers, Name: name, Grace: c.Locking.Grace, Logger: c.Logger})
	if err != nil {
		s.log.Error("clients cannot lock files", "err", err)
		return nil
	}
	s.locks = locks
	return locks.Programs()
}

// runLocks tells clients of a restart.
func (s *Server) runLocks(ctx context.Context) error {
	if s.locks != nil {
		s.locks.Run(ctx)
	}
	<-ctx.Done()
	return nil
}
