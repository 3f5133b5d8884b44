package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	pathpkg "path"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/quotas"
)

// QuotaAccount is what a user, a group or a directory tree uses, and may.
type QuotaAccount struct {
	Kind            string `json:"kind" doc:"user, group or tree"`
	ID              uint32 `json:"id" doc:"number of the user, the group, or the account of the tree"`
	Path            string `json:"path,omitempty" doc:"of a tree: its directory in the image"`
	UsedBytes       uint64 `json:"used_bytes" doc:"what is used"`
	UsedFiles       uint64 `json:"used_files" doc:"files of all types"`
	Bytes           uint64 `json:"bytes" doc:"hard limit; 0 is none"`
	SoftBytes       uint64 `json:"soft_bytes" doc:"soft limit; 0 is none"`
	Files           uint64 `json:"files" doc:"hard limit; 0 is none"`
	SoftFiles       uint64 `json:"soft_files" doc:"soft limit; 0 is none"`
	BytesDeadlineNS int64  `json:"bytes_deadline_ns,omitempty" doc:"when the soft limit of bytes counts like a hard one; only while it is exceeded"`
	FilesDeadlineNS int64  `json:"files_deadline_ns,omitempty" doc:"the same of files"`
	Converting      bool   `json:"converting,omitempty" doc:"what is in the tree is being given to the account, or taken from it"`
	Damaged         bool   `json:"damaged,omitempty" doc:"what is used cannot be read, and the limits do not count"`
}

// QuotaGrace is how long soft limits of a kind may be exceeded.
type QuotaGrace struct {
	Kind    string `json:"kind" doc:"user, group or tree"`
	BytesNS int64  `json:"bytes_ns" doc:"how long a soft limit of bytes may be exceeded"`
	FilesNS int64  `json:"files_ns" doc:"the same of files"`
}

// QuotaListRequest asks for accounts.
type QuotaListRequest struct {
	After string `json:"after,omitempty" doc:"next of the reply before; nothing at first"`
	Path  string `json:"path,omitempty" doc:"of the tree that this is in alone"`
}

// QuotaListReply is some accounts.
type QuotaListReply struct {
	On       bool           `json:"on" doc:"what is used is counted"`
	Counting bool           `json:"counting" doc:"files from before are still being counted"`
	Grace    []QuotaGrace   `json:"grace" doc:"how long soft limits may be exceeded"`
	Accounts []QuotaAccount `json:"accounts" doc:"users, groups, trees, each by number; at most 1,000"`
	Next     string         `json:"next,omitempty" doc:"there are more: ask for those after this"`
}

// QuotaSetRequest says whose limits are to be what. Limits that are not there stay.
type QuotaSetRequest struct {
	Kind      string  `json:"kind,omitempty" doc:"user, group or tree"`
	ID        uint32  `json:"id,omitempty" doc:"whose"`
	Path      string  `json:"path,omitempty" doc:"in place of kind and id: the directory of a tree"`
	Bytes     *uint64 `json:"bytes,omitempty" doc:"hard limit; 0 is none"`
	SoftBytes *uint64 `json:"soft_bytes,omitempty" doc:"soft limit; 0 is none"`
	Files     *uint64 `json:"files,omitempty" doc:"hard limit; 0 is none"`
	SoftFiles *uint64 `json:"soft_files,omitempty" doc:"soft limit; 0 is none"`
}

// QuotaWhose names an account.
type QuotaWhose struct {
	Kind string `json:"kind,omitempty" doc:"user, group or tree"`
	ID   uint32 `json:"id,omitempty" doc:"whose"`
	Path string `json:"path,omitempty" doc:"in place of kind and id: the directory of a tree"`
}

// QuotaDifference is an account that says something else than the files that it is charged for.
type QuotaDifference struct {
	Kind       string `json:"kind" doc:"user, group or tree"`
	ID         uint32 `json:"id" doc:"whose"`
	UsedBytes  int64  `json:"used_bytes" doc:"as the account says"`
	UsedFiles  int64  `json:"used_files" doc:"the same of files"`
	TakenBytes int64  `json:"taken_bytes" doc:"as the files do"`
	TakenFiles int64  `json:"taken_files" doc:"the same of files"`
}

// QuotaCheckReply is what a check of accounts found.
type QuotaCheckReply struct {
	Differences []QuotaDifference `json:"differences" doc:"accounts that are wrong; a recount makes them right"`
}

// quotaPage is how many accounts one reply has.
const quotaPage = 1000

// kinds are the names of the kinds of accounts.
var kinds = map[pmemfs.QuotaKind]string{pmemfs.QuotaUser: "user", pmemfs.QuotaGroup: "group", pmemfs.QuotaProject: "tree"}

// kindNamed is the reverse of kinds.
func kindNamed(name string) (pmemfs.QuotaKind, error) {
	for k, n := range kinds {
		if n == name {
			return k, nil
		}
	}
	return 0, badRequest("%q is no kind of account: it is user, group or tree", name)
}

// QuotaList lists accounts.
var QuotaList = Operation[QuotaListRequest, QuotaListReply]{
	Method: http.MethodGet, Path: "/v1/quota", Summary: "Lists what users, groups and directory trees use, and may.",
	Do: func(_ context.Context, i Image, req QuotaListRequest) (reply QuotaListReply, err error) {
		st, err := i.FS.QuotaStatus()
		if err != nil || !st.On {
			reply.Accounts, reply.Grace = []QuotaAccount{}, []QuotaGrace{}
			return reply, err
		}
		reply.On, reply.Counting = true, st.Counting
		for _, k := range []pmemfs.QuotaKind{pmemfs.QuotaUser, pmemfs.QuotaGroup, pmemfs.QuotaProject} {
			g, err := i.FS.QuotaGraceOf(k)
			if err != nil {
				return reply, err
			}
			reply.Grace = append(reply.Grace, QuotaGrace{kinds[k], int64(g.Bytes), int64(g.Files)})
		}
		if req.Path != "" {
			dir, err := directory(i.FS, req.Path)
			if err != nil {
				return reply, fmt.Errorf("%s: %w", req.Path, err)
			}
			q, err := i.FS.TreeQuota(dir)
			if errors.Is(err, pmemfs.ErrNotExist) {
				q, err = quotas.OfTree(i.FS, dir)
			}
			if errors.Is(err, pmemfs.ErrNotExist) {
				err = fmt.Errorf("%w: %s is in no tree that has a quota", err, req.Path)
			}
			if err != nil {
				return reply, err
			}
			reply.Accounts = []QuotaAccount{accountOf(i.FS, &q)}
			return reply, nil
		}
		return reply, listAccounts(i.FS, req.After, &reply)
	},
}

// listAccounts adds a page of accounts.
func listAccounts(fs *pmemfs.FS, after string, reply *QuotaListReply) error {
	from := pmemfs.QuotaCursor(0)
	if after != "" {
		var err error
		if from, err = pmemfs.ParseQuotaCursor(after); err != nil {
			return badRequest("%q is not next of a reply", after)
		}
	}
	reply.Accounts = []QuotaAccount{}
	return fs.Quotas(from, func(q pmemfs.Quota) bool {
		if len(reply.Accounts) == quotaPage {
			reply.Next = q.Cursor().String()
			return false
		}
		reply.Accounts = append(reply.Accounts, accountOf(fs, &q))
		return true
	})
}

// accountOf describes an account.
func accountOf(fs *pmemfs.FS, q *pmemfs.Quota) QuotaAccount {
	a := QuotaAccount{
		Kind: kinds[q.Kind], ID: q.ID, UsedBytes: q.UsedBytes, UsedFiles: q.UsedFiles, Bytes: q.HardBytes, SoftBytes: q.SoftBytes,
		Files: q.HardFiles, SoftFiles: q.SoftFiles, BytesDeadlineNS: q.BytesDeadline, FilesDeadlineNS: q.FilesDeadline,
		Converting: q.Converting, Damaged: q.Damaged,
	}
	if q.Dir != (pmemfs.Handle{}) {
		if path, err := fs.PathOf(q.Dir); err == nil { // without it the number says which tree it is
			a.Path = path
		}
	}
	return a
}

// directory finds the directory of a path.
func directory(fs *pmemfs.FS, path string) (pmemfs.Handle, error) {
	a, err := export.Walk(fs, pathpkg.Clean("/"+path))
	return a.Handle, err
}

// QuotaSet sets limits.
var QuotaSet = Operation[QuotaSetRequest, QuotaAccount]{
	Method: http.MethodPost, Path: "/v1/quota",
	Summary: "Limits what a user, a group, or a directory tree may use; the first quota of an image turns accounting on.",
	Again:   "it sets the same limits, and the answer is the account as it is then.",
	Do: func(_ context.Context, i Image, req QuotaSetRequest) (QuotaAccount, error) {
		q, dir, err := find(i.FS, QuotaWhose{req.Kind, req.ID, req.Path})
		if err != nil && !errors.Is(err, pmemfs.ErrNotExist) {
			return QuotaAccount{}, err
		}
		for _, x := range []struct {
			to   *uint64
			from *uint64
		}{{&q.HardBytes, req.Bytes}, {&q.SoftBytes, req.SoftBytes}, {&q.HardFiles, req.Files}, {&q.SoftFiles, req.SoftFiles}} {
			if x.from != nil {
				*x.to = *x.from
			}
		}
		if dir != (pmemfs.Handle{}) {
			q.Kind = pmemfs.QuotaProject
			q.ID, err = i.FS.SetTreeQuota(dir, q.QuotaLimits)
		} else {
			err = i.FS.SetQuota(q.Kind, q.ID, q.QuotaLimits)
		}
		if err != nil {
			return QuotaAccount{}, err
		}
		q, err = i.FS.QuotaOf(q.Kind, q.ID)
		return accountOf(i.FS, &q), err
	},
}

// find finds an account. dir is the directory that is named, if one is. pmemfs.ErrNotExist says that it has no account; q says whose then.
func find(fs *pmemfs.FS, w QuotaWhose) (q pmemfs.Quota, dir pmemfs.Handle, err error) {
	if w.Path != "" {
		if w.Kind != "" || w.ID != 0 {
			return q, dir, badRequest("a path names a tree: kind and id are in place of it")
		}
		if dir, err = directory(fs, w.Path); err != nil {
			return q, dir, &Error{Code: codeRequest, Message: w.Path + ": " + err.Error()}
		}
		q, err = quotas.OfTree(fs, dir)
		return q, dir, err
	}
	kind, err := kindNamed(w.Kind)
	if err != nil {
		return q, dir, err
	}
	q, err = fs.QuotaOf(kind, w.ID)
	q.Kind, q.ID = kind, w.ID
	return q, dir, err
}

// QuotaRemove takes limits away.
var QuotaRemove = Operation[QuotaWhose, None]{
	Method: http.MethodDelete, Path: "/v1/quota",
	Summary: "Takes the limits of a user or a group away, or the quota of a directory tree.",
	Again:   "it is answered not_found for a tree, and as the first time for a user or a group.",
	Do: func(_ context.Context, i Image, req QuotaWhose) (None, error) {
		q, _, err := find(i.FS, req)
		switch {
		case errors.Is(err, pmemfs.ErrNotExist):
			return None{}, fmt.Errorf("%w: it has no quota", err)
		case err != nil:
			return None{}, err
		case q.Kind == pmemfs.QuotaProject:
			return None{}, i.FS.RemoveTreeQuota(q.ID)
		}
		return None{}, i.FS.ClearQuota(q.Kind, q.ID)
	},
}

// QuotaSetGrace sets grace times.
var QuotaSetGrace = Operation[QuotaGrace, None]{
	Method: http.MethodPost, Path: "/v1/quota/grace", Summary: "Sets how long soft limits of users, groups or directory trees may be exceeded.",
	Again: "it sets the same times.",
	Do: func(_ context.Context, i Image, req QuotaGrace) (None, error) {
		kind, err := kindNamed(req.Kind)
		if err != nil {
			return None{}, err
		}
		return None{}, i.FS.SetQuotaGrace(kind, pmemfs.QuotaGrace{Bytes: time.Duration(req.BytesNS), Files: time.Duration(req.FilesNS)})
	},
}

// notCounted says why there is nothing to compare.
const notCounted = "the image has never had a quota, so nothing is counted"

// QuotaCheck compares accounts with files.
var QuotaCheck = Operation[None, QuotaCheckReply]{
	Method: http.MethodGet, Path: "/v1/quota/check", Summary: "Compares what accounts say with what files take, beside all traffic.",
	Do: func(_ context.Context, i Image, _ None) (QuotaCheckReply, error) {
		list, err := i.FS.CheckQuotas()
		if errors.Is(err, pmemfs.ErrNotExist) {
			return QuotaCheckReply{}, fmt.Errorf("%w: %s", err, notCounted)
		}
		if errors.Is(err, pmemfs.ErrBusy) {
			return QuotaCheckReply{}, fmt.Errorf("%w: files are still being counted, or another check is under way", err)
		}
		reply := QuotaCheckReply{Differences: []QuotaDifference{}}
		for _, d := range list {
			reply.Differences = append(reply.Differences, QuotaDifference{kinds[d.Kind], d.ID, d.UsedBytes, d.UsedFiles, d.TakenBytes, d.TakenFiles})
		}
		return reply, err
	},
}

// QuotaRecount counts anew.
var QuotaRecount = Operation[None, None]{
	Method: http.MethodPost, Path: "/v1/quota/recount",
	Summary: "Counts anew what all files take, in the background; nothing is limited until that is under way.",
	Again:   "it counts anew once more.",
	Do: func(_ context.Context, i Image, _ None) (None, error) {
		err := i.FS.RecountQuotas()
		if errors.Is(err, pmemfs.ErrNotExist) {
			err = fmt.Errorf("%w: %s", err, notCounted)
		}
		return None{}, err
	},
}
