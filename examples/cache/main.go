// A cache for CI: folders are kept in an image by a key, and come back by it. The image is one file, which a CI system keeps as it keeps any
// other; of the folders in it, the oldest go.
//
//	go run ./cache ci.img save go-1.26-abc123 ~/.cache/go-build
//	go run ./cache ci.img restore go-1.26-abc123 ~/.cache/go-build
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-billy/v5/util"

	"pmemfs/billyadapter"
	"pmemfs/pmemfs"
)

// kept is how many folders the image has at most.
const kept = 5

func main() {
	if len(os.Args) != 5 || os.Args[2] != "save" && os.Args[2] != "restore" {
		log.Fatal("usage: cache IMAGE save|restore KEY FOLDER")
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		log.Fatal(err)
	}
}

func run(image, what, key, folder string) (err error) {
	if strings.ContainsAny(key, "/\\") || key == "" || key[0] == '.' { // the names of drafts begin with a dot
		return fmt.Errorf("%q is no key", key)
	}
	if _, err := os.Stat(image); errors.Is(err, fs.ErrNotExist) {
		if err := pmemfs.Format(image, pmemfs.FormatOptions{Size: 256 << 20}); err != nil {
			return err
		}
	}
	engine, err := pmemfs.Open(image, pmemfs.Options{Durability: pmemfs.DurabilityProcess}) // a cache may be lost
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	files := billyadapter.New(engine, pmemfs.Cred{})
	if what == "restore" {
		saved, err := fs.Sub(files.IOFS(), key)
		if err != nil {
			return err
		}
		return os.CopyFS(folder, saved)
	}
	return save(files, key, folder)
}

// save keeps a folder. It has its name when it is whole.
func save(files *billyadapter.FS, key, folder string) error {
	draft, from := ".draft-"+key, os.DirFS(folder)
	if err := util.RemoveAll(files, draft); err != nil { // of a save that was killed
		return err
	}
	err := fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return errors.Join(err, files.MkdirAll(path.Join(draft, path.Dir(name)), 0o755))
		}
		data, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		return util.WriteFile(files, path.Join(draft, name), data, 0o644)
	})
	if err == nil {
		err = errors.Join(util.RemoveAll(files, key), files.Rename(draft, key))
	}
	if err != nil {
		return errors.Join(err, util.RemoveAll(files, draft))
	}
	list, err := files.ReadDir("/")
	if err != nil {
		return err
	}
	slices.SortFunc(list, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for _, old := range list[min(kept, len(list)):] {
		fmt.Println("removing", old.Name())
		if err := util.RemoveAll(files, old.Name()); err != nil {
			return err
		}
	}
	return nil
}
