//go:build !linux

package main

import "errors"

// tmpfsTarget does not exist where there is no tmpfs.
type tmpfsTarget struct{}

func newTmpfsTarget(string) (*tmpfsTarget, error) {
	return nil, errors.New("this system has no tmpfs to compare with")
}

func (*tmpfsTarget) cases() []benchCase { return nil }
func (*tmpfsTarget) close() error       { return nil }
