// Command pmemfs makes, serves and checks persistent-memory filesystems. Run it without arguments for help.
//
// # Exit status
//
// The constants of exit.go. On failure one line on standard error says why.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// statusError is an error with an exit status of its own.
type statusError struct {
	status int
	cause  error
}

func (e *statusError) Error() string { return e.cause.Error() }
func (e *statusError) Unwrap() error { return e.cause }

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run carries out one command line and returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	status := exitFailed
	var withStatus *statusError
	if errors.As(err, &withStatus) {
		status = withStatus.status
	}
	fmt.Fprintf(stderr, "pmemfs: %s\n", strings.ReplaceAll(withHelp(cmd, err).Error(), "\n", "; "))
	return status
}

// withHelp adds to an error about an option or a command that there is not, where those that there are can be read.
func withHelp(cmd *cobra.Command, err error) error {
	var option *pflag.NotExistError
	says := err.Error()
	if !errors.As(err, &option) && !strings.HasPrefix(says, "unknown command") {
		return err
	}
	return fmt.Errorf("%w: %s --help shows what there is", err, cmd.CommandPath())
}
