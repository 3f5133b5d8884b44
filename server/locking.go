package server

import (
	"context"
	"fmt"
	"slices"
	"time"
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

// locking reports whether clients can lock files of any image.
func (s *Server) locking(c *Locking) bool {
	return !c.Off && slices.ContainsFunc(s.images, func(i *Image) bool { return !i.readOnly })
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
