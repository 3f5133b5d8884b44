package billyadapter_test

import (
	"fmt"
	"io/fs"
	"log"

	"github.com/go-git/go-billy/v5/util"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"pmemfs/billyadapter"
	"pmemfs/pmemfs"
)

// inMemory opens a filesystem that ends with the process. A program that is to keep its data calls pmemfs.Format and pmemfs.Open.
func inMemory() *pmemfs.FS {
	eng, err := pmemfs.OpenMemory(64<<20, pmemfs.DomainVolatile, pmemfs.Options{})
	if err != nil {
		log.Fatal(err)
	}
	return eng
}

// A git repository on pmemfs: the objects in a directory, and the work tree beside it.
func Example_goGit() {
	eng := inMemory()
	defer eng.Close()
	tree := billyadapter.New(eng, pmemfs.Cred{})
	dot, err := tree.Chroot(".git")
	if err != nil {
		log.Fatal(err)
	}
	repo, err := git.Init(filesystem.NewStorage(dot, cache.NewObjectLRUDefault()), tree)
	if err != nil {
		log.Fatal(err)
	}
	if err := util.WriteFile(tree, "hello.txt", []byte("hello\n"), 0o644); err != nil {
		log.Fatal(err)
	}
	work, err := repo.Worktree()
	if err != nil {
		log.Fatal(err)
	}
	if _, err := work.Add("hello.txt"); err != nil {
		log.Fatal(err)
	}
	if _, err := work.Commit("first", &git.CommitOptions{Author: &object.Signature{Name: "A", Email: "a@example.org"}}); err != nil {
		log.Fatal(err)
	}
	status, err := work.Status()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("clean:", status.IsClean())
	// Output: clean: true
}

// The io/fs view of a filesystem, for everything in Go that reads files.
func ExampleFS_IOFS() {
	eng := inMemory()
	defer eng.Close()
	tree := billyadapter.New(eng, pmemfs.Cred{})
	for _, name := range []string{"a/one.txt", "a/two.txt", "b/three.txt"} {
		if err := util.WriteFile(tree, name, []byte(name), 0o644); err != nil {
			log.Fatal(err)
		}
	}
	err := fs.WalkDir(tree.IOFS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			fmt.Println(path)
		}
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// a/one.txt
	// a/two.txt
	// b/three.txt
}
