package config

import (
	"errors"
	"time"

	"pmemfs/server/schedule"
)

// schedulesMax bounds the schedules of an image.
const schedulesMax = 256

// Schedule is what is said of a schedule of snapshots.
type Schedule struct {
	schedule.Schedule
	Settings Settings // as it is said
	Rules    Settings // the same of what to keep
	At       Origin
}

// schedules reads the schedules of an image.
func (r *reader) schedules(t *node, prefix string) (all []Schedule) {
	var valid []schedule.Schedule
	name := dotted(prefix, "snapshots")
	list := r.tables(t, prefix, "snapshots")
	if len(list) > schedulesMax {
		r.wrong(list[schedulesMax].line, name, "%d schedules: an image has at most %d", len(list), schedulesMax)
		return nil
	}
	for _, one := range list {
		before := len(r.mistakes)
		s := r.settings(one, name, []string{TableSnapshots}, "keep")
		rules := Settings{}
		line := one.line
		if one.find("keep") == nil {
			r.wrong(one.line, name+".keep", "it has no default: say it")
		} else if keep := r.table(one, name, "keep"); keep != nil {
			rules, line = r.settings(keep, name+".keep", []string{TableKeep}), one.find("keep").line
		}
		if len(r.mistakes) > before {
			continue
		}
		next := schedule.Schedule{Prefix: Get[string](s, "prefix"), Every: Get[time.Duration](s, "every"), Keep: schedule.Keep{
			Last: ruleOf(rules, "last"), Hourly: ruleOf(rules, "hourly"), Daily: ruleOf(rules, "daily"),
			Weekly: ruleOf(rules, "weekly"), Monthly: ruleOf(rules, "monthly"), Yearly: ruleOf(rules, "yearly"),
		}}
		if next.Prefix == "" {
			next.Prefix = schedule.DefaultPrefix
		}
		if err := schedule.Validate(append(valid, next)); err != nil {
			key := keyOf(err)
			if said := s[key]; said != nil {
				line = said.From.line
			} else if key != "keep" {
				line = one.line
			}
			r.wrong(line, name+"."+key, "%v", err)
			continue
		}
		valid = append(valid, next)
		all = append(all, Schedule{next, s, rules, r.at(one.line)})
	}
	return all
}

// ruleOf is how many snapshots a rule keeps.
func ruleOf(rules Settings, name string) int { return int(Get[int64](rules, name)) }

// keyOf is the key that an error of schedule.Validate is about.
func keyOf(err error) string {
	switch {
	case errors.Is(err, schedule.ErrEvery):
		return "every"
	case errors.Is(err, schedule.ErrPrefix), errors.Is(err, schedule.ErrSamePrefix):
		return "prefix"
	}
	return "keep"
}
