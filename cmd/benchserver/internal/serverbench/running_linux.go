package serverbench

import (
	"crypto/rand"
	"errors"
)

// connectRunning prepares a server that runs already.
func connectRunning(r Running) (*target, error) {
	root := r.Root
	if root == nil {
		m, err := dial(r.Addr)
		if err != nil {
			return nil, err
		}
		root, err = m.mount("/")
		if err = errors.Join(err, m.close()); err != nil {
			return nil, err
		}
	}
	c, err := dial(r.Addr)
	if err != nil {
		return nil, err
	}
	// Another run may have left a folder.
	s, err := furnished(r.Addr, c, root, "bench-"+rand.Text())
	if err != nil {
		return nil, err
	}
	i := &instance{&process{addr: r.Addr}, s}
	return &target{name: r.Name, version: "runs already", names: i, data: i}, nil
}
