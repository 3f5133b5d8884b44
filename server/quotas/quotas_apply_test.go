package quotas_test

import (
	"errors"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/server/quotas"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func n(v uint64) *uint64 { return &v }

// TestApply sets quotas of all kinds, finds them set, leaves alone what is not named, and goes on behind a directory that is not there.
func TestApply(t *testing.T) {
	eng, err := pmemfs.OpenMemory(16<<20, pmemfs.DomainVolatile, pmemfs.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, eng.Close()) })
	dir, err := eng.Mkdir(&pmemfs.Cred{}, nil, eng.Root(), []byte("docs"), &pmemfs.SetAttr{})
	must(t, err)
	must(t, eng.SetQuota(pmemfs.QuotaUser, 7, pmemfs.QuotaLimits{HardFiles: 70}))
	must(t, eng.SetQuota(pmemfs.QuotaUser, 8, pmemfs.QuotaLimits{HardFiles: 80, HardBytes: 1 << 20}))
	list := []quotas.Quota{
		{Kind: pmemfs.QuotaUser, ID: 8, Bytes: n(5000)}, // not whole blocks
		{Kind: pmemfs.QuotaProject, Path: "/none", Bytes: n(1 << 20)},
		{Kind: pmemfs.QuotaGroup, ID: 9, SoftFiles: n(5)},
		{Kind: pmemfs.QuotaProject, Path: "/docs", Files: n(100), SoftFiles: n(50)},
	}
	must(t, quotas.Validate(list))
	for round, want := range []int{3, 0} {
		set, failures := quotas.Apply(eng, list)
		if set != want || len(failures) != 1 || failures[0].Quota.Path != "/none" || !failures[0].Missing() {
			t.Errorf("round %d: set %d, failed %v", round, set, failures)
		}
	}
	for _, k := range []struct {
		kind pmemfs.QuotaKind
		id   uint32
		want pmemfs.QuotaLimits
	}{
		{pmemfs.QuotaUser, 7, pmemfs.QuotaLimits{HardFiles: 70}},
		{pmemfs.QuotaUser, 8, pmemfs.QuotaLimits{HardFiles: 80, HardBytes: 8192}},
		{pmemfs.QuotaGroup, 9, pmemfs.QuotaLimits{SoftFiles: 5}},
	} {
		if q, err := eng.QuotaOf(k.kind, k.id); err != nil || q.QuotaLimits != k.want {
			t.Errorf("%v %d: %+v, %v", k.kind, k.id, q.QuotaLimits, err)
		}
	}
	if q, err := quotas.OfTree(eng, dir.Handle); err != nil || q.HardFiles != 100 || q.SoftFiles != 50 {
		t.Errorf("the tree: %+v, %v", q, err)
	}
	list[3].Files = n(0)
	if set, _ := quotas.Apply(eng, list); set != 1 {
		t.Errorf("a limit is taken away: set %d", set)
	}
	if q, err := quotas.OfTree(eng, dir.Handle); err != nil || q.HardFiles != 0 || q.SoftFiles != 50 {
		t.Errorf("the tree: %+v, %v", q, err)
	}
}

// TestValidate: quotas that nobody can mean are refused.
func TestValidate(t *testing.T) {
	one := n(1)
	for want, list := range map[error][]quotas.Quota{
		quotas.ErrWhose:   {{Kind: pmemfs.QuotaUser, ID: 1, Path: "/x", Files: one}},
		quotas.ErrNobody:  {{Kind: pmemfs.QuotaGroup, Files: one}},
		quotas.ErrPath:    {{Kind: pmemfs.QuotaProject, Path: "x", Files: one}},
		quotas.ErrNoLimit: {{Kind: pmemfs.QuotaUser, ID: 1}},
		quotas.ErrSoft:    {{Kind: pmemfs.QuotaUser, ID: 1, Files: one, SoftFiles: n(2)}},
		quotas.ErrTwice:   {{Kind: pmemfs.QuotaUser, ID: 1, Files: one}, {Kind: pmemfs.QuotaUser, ID: 1, Bytes: one}},
	} {
		if err := quotas.Validate(list); !errors.Is(err, want) {
			t.Errorf("%v: %v", want, err)
		}
	}
	for _, q := range []quotas.Quota{{Files: one}, {Kind: pmemfs.QuotaProject, Path: "/x", ID: 1, Files: one}} {
		if err := quotas.Validate([]quotas.Quota{q}); !errors.Is(err, quotas.ErrWhose) {
			t.Errorf("%+v: %v", q, err)
		}
	}
}
