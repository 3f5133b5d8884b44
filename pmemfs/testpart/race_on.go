//go:build race

package testpart

const race = true
