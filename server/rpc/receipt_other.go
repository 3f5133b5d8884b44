//go:build !linux && !darwin

package rpc

func isOpen(int) bool { return true }

func unacknowledged(int) (n int, ok bool) { return 0, false }
