//go:build !locktimes

package critical

import (
	"reflect"
	"sync"
	"testing"
)

// TestOrdinaryLocks: in ordinary builds a lock is one of package sync and nothing else.
func TestOrdinaryLocks(t *testing.T) {
	for _, c := range []struct{ ours, theirs any }{{&Mutex{}, &sync.Mutex{}}, {&RWMutex{}, &sync.RWMutex{}}} {
		ours, theirs := reflect.TypeOf(c.ours).Elem(), reflect.TypeOf(c.theirs).Elem()
		if ours.NumField() != 1 || ours.Field(0).Type != theirs {
			t.Errorf("%v is not %v alone", ours, theirs)
		}
	}
}
