package config

import "fmt"

// Quota limits what a user, a group or a directory tree may use of an image. A limit of 0 is none, and one that is nil stays as it is.
type Quota struct {
	User, Group *Account // one of them,
	Path        string   // or this

	Bytes, SoftBytes *uint64
	Files, SoftFiles *uint64
	Settings         Settings // as it is said
	At               Origin
}

// Whose says whose it is.
func (q *Quota) Whose() string {
	kind, a := "user", q.User
	if a == nil {
		kind, a = "group", q.Group
	}
	switch {
	case a == nil:
		return "path " + q.Path
	case a.Name != "":
		return kind + " " + a.Name
	}
	return fmt.Sprintf("%s %d", kind, a.ID)
}

// quotas reads the quotas of an image.
func (r *reader) quotas(t *node, prefix string) (all []Quota) {
	name := dotted(prefix, "quota")
	lines := map[string]int{}
	for _, one := range r.tables(t, prefix, "quota") {
		s := r.settings(one, name, []string{TableQuota})
		q := Quota{Path: Get[string](s, "path"), Settings: s, At: r.at(one.line)}
		for key, to := range map[string]**Account{"user": &q.User, "group": &q.Group} {
			if s[key] != nil {
				a := Get[Account](s, key)
				*to = &a
			}
		}
		for key, to := range map[string]**uint64{"bytes": &q.Bytes, "soft_bytes": &q.SoftBytes, "files": &q.Files, "soft_files": &q.SoftFiles} {
			if s[key] != nil {
				limit := uint64(Get[int64](s, key))
				*to = &limit
			}
		}
		r.vetQuota(&q, one, s, name)
		if q.User == nil && q.Group == nil && q.Path == "" { // which has been told
			continue
		}
		if at, there := lines[q.Whose()]; there {
			r.wrong(one.line, name, "%s has a quota already, on line %d", q.Whose(), at)
			continue
		}
		lines[q.Whose()] = one.line
		all = append(all, q)
	}
	return all
}

// vetQuota refuses what makes no sense. A key counts that has a wrong value; one that there is not may have been meant for what is missing.
func (r *reader) vetQuota(q *Quota, t *node, s Settings, name string) {
	said := func(keys ...string) (n int) {
		for _, k := range keys {
			if t.find(k) != nil {
				n++
			}
		}
		return n
	}
	limits := []string{"bytes", "soft_bytes", "files", "soft_files"}
	whose, limited := said("user", "group", "path"), said(limits...)
	known := whose+limited == len(t.entries)
	if whose > 1 || whose == 0 && known {
		r.wrong(q.At.line, name, "say whose it is: one of user, group and path")
	}
	if limited == 0 && known {
		r.wrong(q.At.line, name, "it limits nothing: say bytes, soft_bytes, files or soft_files")
	}
	if above(q.SoftBytes, q.Bytes) {
		r.wrong(s["soft_bytes"].From.line, name+".soft_bytes", "a soft limit above the hard one, %s", s["bytes"].Texts[0])
	}
	if above(q.SoftFiles, q.Files) {
		r.wrong(s["soft_files"].From.line, name+".soft_files", "a soft limit above the hard one, %d", *q.Files)
	}
}

// Strangers are the mistakes of quotas that are for users and groups whose names known does not know.
func (f *File) Strangers(known func(q *Quota) error) (all Mistakes) {
	for n := range f.Images {
		i := &f.Images[n]
		for x := range i.Quotas {
			q := &i.Quotas[x]
			err := known(q)
			if err == nil {
				continue
			}
			key := "user"
			if q.User == nil {
				key = "group"
			}
			all = append(all, &Mistake{File: f.Path, Line: q.Settings[key].From.line, Key: dotted(dotted(i.prefix, "quota"), key), Text: err.Error()})
		}
	}
	return all
}

// above reports whether a soft limit is above the hard one that is said with it.
func above(soft, hard *uint64) bool { return soft != nil && hard != nil && *hard != 0 && *soft > *hard }
