package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"pmemfs/pmemfs"
)

// engineTarget works on the engine, as root.
type engineTarget struct {
	eng    *pmemfs.FS
	folder string // that holds the image; empty for one in memory
	cred   pmemfs.Cred
	dirs   []pmemfs.Handle
	files  []pmemfs.Handle
}

// openEngine makes the image, if it is in a folder in a new one there.
func openEngine(i Image) (*engineTarget, error) {
	if i.Dir == "" {
		domain, err := i.domain()
		if err != nil {
			return nil, err
		}
		eng, err := pmemfs.OpenMemory(i.Bytes, domain, pmemfs.Options{})
		return &engineTarget{eng: eng}, err
	}
	if i.Domain != "" {
		return nil, errors.New("--domain is for an image in memory: a folder decides the domain")
	}
	folder, err := makeTemporary(i.Dir, "the folder for the image")
	if err != nil {
		return nil, err
	}
	image := filepath.Join(folder, "image")
	if err := pmemfs.Format(image, pmemfs.FormatOptions{Size: i.Bytes, RootMode: 0o755}); err != nil {
		err = noSpace(err, i.Dir, "a smaller --image-size helps, or another folder")
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	eng, err := pmemfs.Open(image, pmemfs.Options{})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	return &engineTarget{eng: eng, folder: folder}, nil
}

// domain is that of an image in memory. In all but the volatile one flushes and fences are carried out, on memory that keeps nothing.
func (i Image) domain() (pmemfs.Domain, error) {
	if i.Domain == "" {
		return pmemfs.DomainVolatile, nil
	}
	for _, d := range []pmemfs.Domain{pmemfs.DomainVolatile, pmemfs.DomainCacheFlush, pmemfs.DomainEADR} {
		if d.String() == i.Domain {
			return d, nil
		}
	}
	return 0, fmt.Errorf("--domain is %s, %s or %s, not %q", pmemfs.DomainVolatile, pmemfs.DomainCacheFlush, pmemfs.DomainEADR, i.Domain)
}

func (t *engineTarget) close() error { return errors.Join(t.release(), t.remove()) }

func (t *engineTarget) release() error { return t.eng.Close() }

func (t *engineTarget) remove() error {
	if t.folder == "" {
		return nil
	}
	return os.RemoveAll(t.folder)
}

func (t *engineTarget) openDir(n *name) (int, error) {
	attr, err := t.eng.Lookup(&t.cred, nil, t.eng.Root(), n.bytes)
	if errors.Is(err, pmemfs.ErrNotExist) {
		attr, err = t.eng.Mkdir(&t.cred, nil, t.eng.Root(), n.bytes, &pmemfs.SetAttr{})
	}
	t.dirs = append(t.dirs, attr.Handle)
	return len(t.dirs) - 1, err
}

func (t *engineTarget) openFile(dir int, n *name) (int, error) {
	attr, err := t.eng.Create(&t.cred, nil, t.dirs[dir], n.bytes, &pmemfs.CreateOptions{})
	t.files = append(t.files, attr.Handle)
	return len(t.files) - 1, err
}

// closeFile has nothing to do: a handle is not held open.
func (t *engineTarget) closeFile(int) error { return nil }

func (t *engineTarget) create(dir int, n *name) error {
	_, err := t.eng.Create(&t.cred, nil, t.dirs[dir], n.bytes, &pmemfs.CreateOptions{Mode: pmemfs.Guarded})
	return err
}

func (t *engineTarget) unlink(dir int, n *name) error {
	return t.eng.Unlink(&t.cred, nil, t.dirs[dir], n.bytes)
}

func (t *engineTarget) mkdir(dir int, n *name) error {
	_, err := t.eng.Mkdir(&t.cred, nil, t.dirs[dir], n.bytes, &pmemfs.SetAttr{})
	return err
}

func (t *engineTarget) rmdir(dir int, n *name) error {
	return t.eng.Rmdir(&t.cred, nil, t.dirs[dir], n.bytes)
}

func (t *engineTarget) rename(dir int, from, to *name) error {
	return t.eng.Rename(&t.cred, nil, t.dirs[dir], from.bytes, t.dirs[dir], to.bytes, 0)
}

func (t *engineTarget) link(dir, file int, _, n *name) error {
	_, err := t.eng.Link(&t.cred, nil, t.files[file], t.dirs[dir], n.bytes)
	return err
}

func (t *engineTarget) symlink(dir int, content, n *name) error {
	_, err := t.eng.Symlink(&t.cred, nil, t.dirs[dir], n.bytes, content.bytes, &pmemfs.SetAttr{})
	return err
}

func (t *engineTarget) lookup(dir int, n *name) error {
	_, err := t.eng.Lookup(&t.cred, nil, t.dirs[dir], n.bytes)
	return err
}

func (t *engineTarget) chmod(file int, mode uint32) error {
	_, err := t.eng.Setattr(&t.cred, nil, t.files[file], &pmemfs.SetAttr{Mask: pmemfs.SetMode, Mode: mode})
	return err
}

func (t *engineTarget) truncate(file int, size int64) error {
	_, err := t.eng.Setattr(&t.cred, nil, t.files[file], &pmemfs.SetAttr{Mask: pmemfs.SetSize, Size: uint64(size)})
	return err
}

func (t *engineTarget) getattr(file int) error {
	_, err := t.eng.Getattr(nil, t.files[file])
	return err
}

func (t *engineTarget) write(file int, p []byte, off int64) error {
	n, _, err := t.eng.Write(&t.cred, nil, t.files[file], p, uint64(off))
	if err == nil && n != len(p) {
		err = errShort
	}
	return err
}

func (t *engineTarget) read(file int, p []byte, off int64) error {
	n, _, err := t.eng.Read(&t.cred, nil, t.files[file], p, uint64(off))
	if err == nil && n != len(p) {
		err = errShort
	}
	return err
}
