//go:build !invariants

package testpart

const invariants = false
