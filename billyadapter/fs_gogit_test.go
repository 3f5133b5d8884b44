package billyadapter_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/go-git/go-billy/v5/util"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"pmemfs/billyadapter"
	"pmemfs/pmemfs/testpart"
)

const commits = 5

func store(t *testing.T, tree *billyadapter.FS) *filesystem.Storage {
	t.Helper()
	dot, err := tree.Chroot(".git")
	must(t, err)
	return filesystem.NewStorage(dot, cache.NewObjectLRUDefault())
}

// sourceRepo makes a repository on the host's disk, to clone from.
func sourceRepo(t *testing.T) (string, plumbing.Hash) {
	t.Helper()
	dir := t.TempDir()
	repo, err := git.PlainInit(dir, false)
	must(t, err)
	w, err := repo.Worktree()
	must(t, err)
	var head plumbing.Hash
	for i := range commits {
		for j := range 20 {
			must(t, util.WriteFile(w.Filesystem, fmt.Sprintf("d%d/f%d", j%3, j), fmt.Appendf(nil, "%d-%d", i, j), 0o644))
		}
		head = commit(t, w, fmt.Sprintf("commit %d", i))
	}
	return dir, head
}

func commit(t *testing.T, w *git.Worktree, message string) plumbing.Hash {
	t.Helper()
	must(t, w.AddWithOptions(&git.AddOptions{All: true}))
	h, err := w.Commit(message, &git.CommitOptions{Author: &object.Signature{Name: "n", Email: "e", When: time.Unix(1e9, 0)}})
	must(t, err)
	return h
}

// TestGoGit clones a repository onto pmemfs, commits to it, opens it again and reads every object back.
func TestGoGit(t *testing.T) {
	testpart.NotRace(t)
	src, head := sourceRepo(t)
	f := newFS(t)
	tree := chroot(t, f, "repo")
	repo, err := git.Clone(store(t, tree), tree, &git.CloneOptions{URL: src})
	must(t, err)
	ref, err := repo.Head()
	must(t, err)
	if ref.Hash() != head {
		t.Fatalf("cloned %v, want %v", ref.Hash(), head)
	}
	w, err := repo.Worktree()
	must(t, err)
	requireClean(t, w)

	must(t, util.WriteFile(tree, "d0/new", bytes.Repeat([]byte("new "), 5000), 0o755))
	must(t, tree.Remove("d1/f1"))
	must(t, tree.Symlink("d0/new", "link"))
	latest := commit(t, w, "here")
	requireClean(t, w)

	again, err := git.Open(store(t, tree), tree)
	must(t, err)
	requireLog(t, again, latest, commits+1)
	if n := walkObjects(t, again); n < commits*4 {
		t.Fatalf("only %d objects", n)
	}
	w, err = again.Worktree()
	must(t, err)
	requireClean(t, w)
	must(t, w.Checkout(&git.CheckoutOptions{Hash: head}))
	if _, err := tree.Stat("d1/f1"); err != nil {
		t.Fatalf("checkout of the older commit: %v", err)
	}
}

// TestGoGitInit starts a repository on pmemfs itself.
func TestGoGitInit(t *testing.T) {
	testpart.NotRace(t)
	tree := chroot(t, newFS(t), "fresh")
	repo, err := git.Init(store(t, tree), tree)
	must(t, err)
	w, err := repo.Worktree()
	must(t, err)
	must(t, util.WriteFile(tree, "a", []byte("a"), 0o644))
	requireLog(t, repo, commit(t, w, "first"), 1)
	if n := walkObjects(t, repo); n != 3 {
		t.Fatalf("%d objects, want a blob, a tree and a commit", n)
	}
}

func requireClean(t *testing.T, w *git.Worktree) {
	t.Helper()
	status, err := w.Status()
	must(t, err)
	if !status.IsClean() {
		t.Fatalf("worktree is not clean:\n%s", status)
	}
}

func requireLog(t *testing.T, repo *git.Repository, head plumbing.Hash, want int) {
	t.Helper()
	log, err := repo.Log(&git.LogOptions{From: head})
	must(t, err)
	n := 0
	must(t, log.ForEach(func(*object.Commit) error { n++; return nil }))
	if n != want {
		t.Fatalf("the log has %d commits, want %d", n, want)
	}
}

// walkObjects reads every object in the store and compares its hash with its name, as git fsck does.
func walkObjects(t *testing.T, repo *git.Repository) int {
	t.Helper()
	iter, err := repo.Storer.IterEncodedObjects(plumbing.AnyObject)
	must(t, err)
	n := 0
	must(t, iter.ForEach(func(o plumbing.EncodedObject) error {
		r, err := o.Reader()
		if err != nil {
			return err
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if h := plumbing.ComputeHash(o.Type(), content); h != o.Hash() {
			return fmt.Errorf("object %v hashes to %v", o.Hash(), h)
		}
		n++
		return r.Close()
	}))
	return n
}
