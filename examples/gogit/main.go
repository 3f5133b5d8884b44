// A git repository in an image, without a mount: go-git on the billy adapter. It commits a file, and shows the log.
//
//	go run ./gogit files.img
package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/go-git/go-billy/v5/util"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"pmemfs/billyadapter"
	"pmemfs/pmemfs"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("name the image")
	}
	if err := run(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(image string) (err error) {
	if err := pmemfs.Format(image, pmemfs.FormatOptions{Size: 64 << 20}); err != nil {
		return err
	}
	engine, err := pmemfs.Open(image, pmemfs.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()

	files := billyadapter.New(engine, pmemfs.Cred{})
	worktree, err := files.Chroot("/project")
	if err != nil {
		return err
	}
	dotGit, err := files.Chroot("/project/.git")
	if err != nil {
		return err
	}
	repository, err := git.Init(filesystem.NewStorage(dotGit, cache.NewObjectLRUDefault()), worktree)
	if err != nil {
		return err
	}
	if err := util.WriteFile(worktree, "README", []byte("kept in an image\n"), 0o644); err != nil {
		return err
	}
	tree, err := repository.Worktree()
	if err != nil {
		return err
	}
	if _, err := tree.Add("README"); err != nil {
		return err
	}
	who := &object.Signature{Name: "somebody", Email: "somebody@example.net", When: time.Unix(0, 0)}
	if _, err := tree.Commit("say where it is", &git.CommitOptions{Author: who}); err != nil {
		return err
	}
	commits, err := repository.Log(&git.LogOptions{})
	if err != nil {
		return err
	}
	return commits.ForEach(func(c *object.Commit) error {
		_, err := fmt.Println(c.Hash, c.Message)
		return err
	})
}
