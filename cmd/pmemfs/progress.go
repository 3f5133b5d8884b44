package main

import (
	"fmt"
	"io"
	"time"
)

// progressAfter is how long something may take before it says how far it is.
const progressAfter = time.Second

// progress returns a function that reports done of total to w, first when it has taken a while and then every second, one
// line each, so that it reads well in a log too.
func progress(w io.Writer, what string) func(done, total int64) {
	next := time.Now().Add(progressAfter)
	return func(done, total int64) {
		now := time.Now()
		if total <= 0 || now.Before(next) {
			return
		}
		next = now.Add(progressAfter)
		fmt.Fprintf(w, "%s: %d%%\n", what, done*100/total)
	}
}
