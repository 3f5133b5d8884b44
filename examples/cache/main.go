// A cache for CI: the files of folders are kept in an image by a key, and come back by it; symbolic links and empty folders do not. The image is
// one file, which a CI system keeps as it keeps any other; of the folders in it, the oldest go.
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

const kept = 5 // folders that the image has at most

func main() {
	if len(os.Args) != 5 || os.Args[2] != "save" && os.Args[2] != "restore" {
		log.Fatal("usage: cache IMAGE save|restore KEY FOLDER")
	} else if key := os.Args[3]; strings.Contains(key, "/") || strings.HasPrefix(key, ".") || key == "" { // a draft begins with a dot
		log.Fatalf("%q is no key", key)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		log.Fatal(err)
	}
}

func run(image, what, key, folder string) (err error) {
	if err := pmemfs.Format(image, pmemfs.FormatOptions{Size: 256 << 20}); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	engine, err := pmemfs.Open(image, pmemfs.Options{Durability: pmemfs.DurabilityProcess}) // a cache may be lost
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	files := billyadapter.New(engine, pmemfs.Cred{})
	if what == "save" {
		return errors.Join(save(files, key, os.DirFS(folder)), trim(files))
	}
	saved, err := fs.Sub(files.IOFS(), key)
	if err == nil {
		err = os.CopyFS(folder, saved)
	}
	return err
}

// save keeps files. They have their key when all are there; until then they are a draft, which the next save by that key replaces.
func save(files *billyadapter.FS, key string, from fs.FS) error {
	draft := ".draft-" + key
	err := errors.Join(util.RemoveAll(files, draft), files.MkdirAll(draft, 0o755), fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := fs.ReadFile(from, name)
		if err == nil {
			err = util.WriteFile(files, path.Join(draft, name), data, 0o644)
		}
		return err
	}))
	if err != nil {
		return err
	}
	return errors.Join(util.RemoveAll(files, key), files.Rename(draft, key))
}

// trim removes all but the latest.
func trim(files *billyadapter.FS) error {
	list, err := files.ReadDir("/")
	slices.SortFunc(list, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for _, old := range list[min(kept, len(list)):] {
		fmt.Println("removing", old.Name())
		err = errors.Join(err, util.RemoveAll(files, old.Name()))
	}
	return err
}
