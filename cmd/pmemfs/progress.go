package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
)

// progressAfter is how long something may take before it says how far it is.
const progressAfter = time.Second

// quietFlag is the option of all commands that leaves progress out.
const quietFlag = "quiet"

// progressOf makes a function that is told how far something is.
type progressOf func(what string) func(done, total int64)

// silent tells nobody.
func silent(string) func(done, total int64) { return func(int64, int64) {} }

// progress returns a function that reports done of total on standard error: with a bar at a terminal, else by a line now and then; with --quiet not at
// all.
func progress(cmd *cobra.Command, what string) func(done, total int64) {
	if quiet, err := cmd.Flags().GetBool(quietFlag); err == nil && quiet {
		return silent(what)
	}
	w := cmd.ErrOrStderr()
	if onTerminal(w) {
		return bar(w, what)
	}
	return lines(w, what)
}

// onTerminal reports whether somebody looks at what is written.
func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// lines reports first when it has taken a while and then every second, one line each, so that it reads well in a log too.
func lines(w io.Writer, what string) func(done, total int64) {
	next := time.Now().Add(progressAfter)
	return func(done, total int64) {
		now := time.Now()
		if now.Before(next) {
			return
		}
		next = now.Add(progressAfter)
		if total <= 0 {
			fmt.Fprintf(w, "%s: %s\n", what, formatBytes(uint64(done)))
			return
		}
		fmt.Fprintf(w, "%s: %d%%\n", what, done*100/total)
	}
}

// bar draws a bar, from when it has taken a while, and takes it away in the end.
func bar(w io.Writer, what string) func(done, total int64) {
	var b *progressbar.ProgressBar
	begin := time.Now().Add(progressAfter)
	return func(done, total int64) {
		if b == nil && time.Now().Before(begin) {
			return
		}
		if total <= 0 {
			total = -1 // not known: what is shown is a sign of life and how much it is
		}
		if b == nil {
			b = progressbar.NewOptions64(total, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what), progressbar.OptionShowBytes(true),
				progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true))
		}
		// What a terminal cannot show is shown by the next call, or not.
		if b.GetMax64() != total {
			b.ChangeMax64(total)
		}
		if total > 0 {
			done = min(done, total)
		}
		_ = b.Set64(done)
	}
}
