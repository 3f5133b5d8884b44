//go:build mutation

package crashtest

import (
	"fmt"
	"strings"
	"testing"

	"pmemfs/pmemfs/internal/mutation"
	"pmemfs/pmemfs/internal/pmem"
)

var huntLimits = Limits{Exhaustive: 4, Units: 2, Subsets: 8, Random: 3, Nested: 50, Depth: 2}

func TestHunt(t *testing.T) {
	type row struct {
		name string
		run  func(j Job) error
	}
	var rows []row
	for _, s := range pmem.Sites() {
		if strings.HasPrefix(s.String(), "format") {
			continue
		}
		for _, fl := range []bool{true, false} {
			rows = append(rows, row{fmt.Sprintf("%v flush=%v", s, fl), func(j Job) error {
				tr, err := kinds[j.Kind](j.Seed)
				if err != nil || tr == nil {
					return err
				}
				_, _, err = tr.Explore(huntLimits, j.Seed, forget{s, fl})
				return err
			}})
		}
	}
	for _, r := range mutation.Rules() {
		rows = append(rows, row{r.String(), func(j Job) (err error) {
			r.Set(func() {
				defer func() {
					if p := recover(); p != nil {
						err = fmt.Errorf("panic: %v", p)
					}
				}()
				_, err = j.Run(huntLimits)
			})
			return err
		}})
	}
	var jobs []Job
	for _, k := range []string{"format", "phases", "refused", "restarts", "writers", "longer", "wait"} {
		for i := range uint64(map[string]int{"restarts": 6, "longer": 3, "phases": 8, "wait": 15, "refused": 10, "writers": 3, "format": 1}[k] + 1) {
			jobs = append(jobs, Job{k, i})
			if _, err := kinds[k](i); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			for _, j := range jobs {
				if err := r.run(j); err != nil {
					t.Logf("KILLED %s by %v: %.200v", r.name, j, err)
					return
				}
			}
			t.Errorf("SURVIVED %s", r.name)
		})
	}
}
