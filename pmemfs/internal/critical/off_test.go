//go:build !locktimes

package critical

import (
	"reflect"
	"sync"
	"testing"

	"pmemfs/pmemfs/internal/latch"
)

// TestOrdinaryLocks: in ordinary builds a lock is what it is named after and nothing else.
func TestOrdinaryLocks(t *testing.T) {
	for _, c := range []struct{ ours, theirs any }{{&Mutex{}, &sync.Mutex{}}, {&RWMutex{}, &sync.RWMutex{}}, {&Latch{}, &latch.RW{}}} {
		ours, theirs := reflect.TypeOf(c.ours).Elem(), reflect.TypeOf(c.theirs).Elem()
		if ours.NumField() != 1 || ours.Field(0).Type != theirs {
			t.Errorf("%v is not %v alone", ours, theirs)
		}
	}
}
