package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pmemfs/pmemfs"
	"pmemfs/server/control"
)

// watchFlags say which server a command looks at: that of an image, or the one with an admin port.
type watchFlags struct {
	reach controlFlags
	admin string
	token string
	form  outputForm
}

func (f *watchFlags) add(flags *pflag.FlagSet) {
	f.reach.add(flags)
	flags.StringVar(&f.admin, "admin", "", "in place of an image: the address of the server's admin port, such as 127.0.0.1:9049, or a URL with https")
	flags.StringVar(&f.token, "admin-token", "", "file with the token of the admin port; what status, clients, locks and top show takes none")
	f.form.add(flags)
}

// client reaches the server.
func (f *watchFlags) client(ctx context.Context, args []string) (*control.Client, error) {
	if f.admin == "" {
		if f.token != "" {
			return nil, errors.New("--admin-token is for the port that --admin names")
		}
		if len(args) == 0 && f.reach.place != "" {
			return control.DialAt(ctx, f.reach.place)
		}
		image := defaultImage
		if len(args) == 1 {
			image = args[0]
		}
		return dialServer(ctx, image, f.reach.place)
	}
	if len(args) > 0 || f.reach.place != "" {
		return nil, errors.New("an image and --admin name two ways to a server: choose one")
	}
	token, err := readToken(f.token)
	if err != nil {
		return nil, err
	}
	if token != "" && inTheClear(f.admin) {
		return nil, fmt.Errorf("the token would go to %s in the clear: name it as https://HOST:PORT, or use an address of this machine", f.admin)
	}
	return control.At(f.admin, token), nil
}

// inTheClear reports whether what is sent to an admin port can be read by others on the way: it is not HTTPS, and not this machine.
func inTheClear(admin string) bool {
	if !strings.Contains(admin, "://") {
		admin = "http://" + admin
	}
	u, err := url.Parse(admin)
	if err != nil || u.Scheme == "https" || u.Hostname() == "localhost" {
		return err != nil
	}
	at, err := netip.ParseAddr(u.Hostname())
	return err != nil || !at.IsLoopback()
}

// dialServer reaches the server of an image, and says what is the matter if there is none.
func dialServer(ctx context.Context, image, place string) (*control.Client, error) {
	c, err := control.Dial(ctx, image, place)
	var unreachable *control.UnreachableError
	switch {
	case err == nil:
		return c, nil
	case !errors.As(err, &unreachable):
		if errors.Is(err, os.ErrNotExist) {
			err = fmt.Errorf("%w: name the image, or the server's admin port with --admin", err)
		}
		return nil, err
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("no server serves %s: there is no socket %s (a server elsewhere is named by --admin or --control)", image, unreachable.Place)
	case errors.Is(err, syscall.ECONNREFUSED):
		if info, ierr := pmemfs.ReadInfo(image); ierr == nil && !info.InUse {
			return nil, fmt.Errorf("no server serves %s: the last one did not stop in order, and the next start replays what it left", image)
		}
	}
	return nil, err
}

// tokenMin is how long a token is at least. How often somebody may guess is not bounded, as that would keep others out.
const tokenMin = 16

// readToken reads a token from a file; none if no file is named.
func readToken(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if len(token) < tokenMin || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("%s: a token is one word of printable ASCII, of at least %d characters that nobody guesses", path, tokenMin)
	}
	return token, nil
}

// newWatch makes a command that asks a server one thing and shows it.
func newWatch[Req, Resp any](cmd *cobra.Command, op control.Operation[Req, Resp], request func() Req, table func(t *tabular, r *Resp)) *cobra.Command {
	var f watchFlags
	cmd.Args = takes(0, 1, "at most one image")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := f.form.vet(); err != nil {
			return err
		}
		client, err := f.client(cmd.Context(), args)
		if err != nil {
			return err
		}
		reply, err := op.Call(cmd.Context(), client, request())
		if err != nil {
			return err
		}
		return f.form.print(cmd.OutOrStdout(), reply, tableOf(func(t *tabular) { table(t, &reply) }))
	}
	f.add(cmd.Flags())
	return cmd
}
