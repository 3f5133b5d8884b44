package main

import (
	"errors"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"pmemfs/pmemfs/safego"
	"pmemfs/server"
	"pmemfs/server/config"
	"pmemfs/server/export"
)

// errNoExports is why a file that has lost its exports is not taken at its word.
var errNoExports = errors.New("the file names no export any more")

// errNoFile is why nothing is reloaded where the command line says all.
var errNoFile = errors.New("there is no --config to read anew")

// reloadOnHangup reads the file anew with each SIGHUP, until the function that it returns has returned. Without a file the signal, which would
// end the process and leave the image as a crash does, is taken note of.
func (f *serveFlags) reloadOnHangup(s *server.Server, log *slog.Logger, hangups <-chan os.Signal) (stop func()) {
	done := make(chan struct{})
	var wg safego.Group
	wg.Go("reload", func() {
		for {
			select {
			case <-done:
				return
			case <-hangups:
			}
			if err := f.reload(s, log); err != nil {
				log.Error("not reloaded: the exports and schedules stay as they were", "err", err)
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
	}
}

// reload serves the exports that the file has now, goes by its schedules of snapshots, and says what else in it counts only at the next start.
func (f *serveFlags) reload(s *server.Server, log *slog.Logger) error {
	if f.configFile == "" {
		return errNoFile
	}
	next, err := config.Read(f.configFile)
	if err != nil {
		return err
	}
	for _, k := range []struct{ key, now, next string }{
		{"image", f.file.Image, next.Image},
		{"nfs", f.file.NFS, next.NFS},
		{"9p", strings.Join(f.file.NineP, " "), strings.Join(next.NineP, " ")},
		{"9p_users", f.file.NinePUsers, next.NinePUsers},
		{"control", f.file.Control, next.Control},
		{"nfs_stack", f.file.NFSStack, next.NFSStack},
		{"durability", f.file.Durability, next.Durability},
		{"portmap", f.file.Portmap, next.Portmap},
		{"register", strconv.FormatBool(f.file.Register), strconv.FormatBool(next.Register)},
		{"no_locks", strconv.FormatBool(f.file.NoLocks), strconv.FormatBool(next.NoLocks)},
		{"memory", strconv.FormatInt(f.file.Memory, 10), strconv.FormatInt(next.Memory, 10)},
		{"sparse", strconv.FormatBool(f.file.Sparse), strconv.FormatBool(next.Sparse)},
		{"grace", periodText(f.file.Grace), periodText(next.Grace)},
	} {
		if k.now != k.next {
			log.Warn("cannot change while serving: counts at the next start", "file", f.configFile, "key", k.key, "now", k.now, "next", k.next)
		}
	}
	c := s.Config()
	if c.Images[0].Exports, err = f.reloadedExports(s, next, log); err != nil {
		return err
	}
	c.Images[0].Snapshots = next.Snapshots
	_, err = s.Reload(c)
	return err
}

// reloadedExports are the exports that the file has now.
func (f *serveFlags) reloadedExports(s *server.Server, next *config.File, log *slog.Logger) ([]export.Export, error) {
	now := s.Images()[0].Exports()
	if len(next.Exports) == 0 {
		if len(f.file.Exports) == 0 {
			log.Info("the file names no exports: those of the command line stay", "file", f.configFile)
			return now, nil
		}
		return nil, errNoExports
	}
	if len(f.file.Exports) == 0 {
		return nil, errors.New("the exports are those of the command line: name them in the file before the start")
	}
	return next.Exports, next.Wider(now)
}

// periodText is a time that a file may leave out.
func periodText(d *time.Duration) string {
	if d == nil {
		return ""
	}
	return d.String()
}
