package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/safego"
	"pmemfs/server/config"
	"pmemfs/server/export"
)

// vetImages refuses images that could not be served, or not together. It returns the exports of each.
func vetImages(images []ImageConfig) (sets []*export.Set, err error) {
	switch {
	case len(images) == 0:
		return nil, errors.New("no image is named")
	case len(images) > config.ImagesMax:
		return nil, fmt.Errorf("%d images are too many: %d is the limit", len(images), config.ImagesMax)
	}
	owner, sockets := map[string]string{}, map[string]string{}
	for n := range images {
		c := &images[n]
		set, err := c.vet()
		if err != nil && len(images) > 1 {
			err = fmt.Errorf("%s: %w", c.Path, err)
		}
		if err != nil {
			return nil, err
		}
		for _, x := range set.All() {
			if other, taken := owner[x.Name]; taken {
				return nil, fmt.Errorf("export %q is of two images, %s and %s: clients mount by the name alone, so rename one", x.Name, other, c.Path)
			}
			owner[x.Name] = c.Path
		}
		if c.Control != "" && c.Control != ControlOff {
			if other, taken := sockets[c.Control]; taken {
				return nil, fmt.Errorf("%s is to be the socket of two images, %s and %s: each has one of its own", c.Control, other, c.Path)
			}
			sockets[c.Control] = c.Path
		}
		sets = append(sets, set)
	}
	return sets, nil
}

// vetApart refuses two images that are one file, or of which one is a copy of the other: clients tell files of two images by the identity of the
// image alone. What cannot be read now, opening it says why. Nothing is changed.
func vetApart(images []ImageConfig) error {
	if len(images) == 1 {
		return nil
	}
	files, ids := make([]os.FileInfo, len(images)), map[string]string{}
	for n := range images {
		path := images[n].Path
		var err error
		if files[n], err = os.Stat(path); err != nil {
			files[n] = nil
		}
		for m := range n {
			if files[n] != nil && files[m] != nil && os.SameFile(files[n], files[m]) || files[n] == nil && samePath(path, images[m].Path) {
				return fmt.Errorf("%s and %s are the same file: name it once, with all of its exports", images[m].Path, path)
			}
		}
		if files[n] == nil {
			continue
		}
		if info, err := pmemfs.ReadInfo(path); err == nil {
			if err := distinct(ids, path, identity(info.UUID)); err != nil {
				return err
			}
		}
	}
	return nil
}

// samePath reports whether two paths of which nothing may be there lead to the same file.
func samePath(a, b string) bool {
	for _, p := range []*string{&a, &b} {
		dir, err := filepath.EvalSymlinks(filepath.Dir(*p))
		if err != nil {
			return a == b
		}
		if dir, err = filepath.Abs(dir); err != nil {
			return a == b
		}
		*p = filepath.Join(dir, filepath.Base(*p))
	}
	return a == b
}

// identity is the part of a UUID by which handles name an image.
func identity(uuid string) string { return uuid[:16] }

// distinct refuses the identity of an image that another one of ids has.
func distinct(ids map[string]string, path, id string) error {
	if other, taken := ids[id]; taken {
		return fmt.Errorf("%s and %s have one identity, as copies do, so clients could not tell their files apart: serve one of them, or each by a server of its own",
			other, path)
	}
	ids[id] = path
	return nil
}

// openImages opens the images that are there, and then makes and opens the others: what fails with those that are there has made nothing.
func (s *Server) openImages(c *Config, sets []*export.Set) error {
	ids := map[string]string{}
	for _, missing := range []bool{false, true} {
		for n, i := range s.images {
			_, err := os.Stat(i.path)
			if i.eng != nil || errors.Is(err, fs.ErrNotExist) != missing {
				continue
			}
			if err := i.open(&c.Images[n], sets[n]); err != nil {
				return i.named(err)
			}
			if err := distinct(ids, i.path, identity(i.Info().UUID)); err != nil {
				return err
			}
		}
	}
	return nil
}

// undo closes what is open of the images of a server that could not be opened, and removes those that it has made.
func (s *Server) undo() (err error) {
	for _, i := range s.images {
		if i.eng != nil && i.created {
			err = errors.Join(err, os.Remove(i.path)) // nobody else has it open, or has been served anything of it
		}
	}
	return errors.Join(err, s.closeImages())
}

// closeImages closes what is open of the images of a server that does not serve.
func (s *Server) closeImages() (err error) {
	for _, i := range s.images {
		if i.eng == nil {
			continue
		}
		i.closePrograms()
		err = errors.Join(err, i.closeControl(), i.eng.Close())
	}
	return err
}

// endImages closes the images of a server that has served. Each goes its own way: one on a medium that is slow, or has failed, keeps no other open.
func (s *Server) endImages() error {
	errs := make([]error, len(s.images))
	var wg safego.Group
	for n, i := range s.images {
		errs[n] = errPanicked // unless it returns
		wg.Go("the end of an image", func() {
			i.checkIdentity()
			errs[n] = i.named(i.eng.Close())
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
