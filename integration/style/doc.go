// Package style holds the house rules that a machine can check, as ordinary
// Go tests, so that they cannot rot: the import floors, file and function
// length, formatting, vet and staticcheck, documentation of what is exported,
// and words and calls that have no place here. CONTRIBUTING.md says why.
package style
