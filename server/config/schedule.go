package config

import (
	"crypto/rand"
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
		s := r.settings(one, name, []string{TableSnapshots}, "keep")
		rules, keepLine, judged := Settings{}, one.line, false
		before := len(r.mistakes)
		if one.find("keep") == nil {
			r.wrong(one.line, name+".keep", "it has no default: say it")
		} else if keep := r.table(one, name, "keep"); keep != nil {
			rules, keepLine = r.settings(keep, name+".keep", []string{TableKeep}), one.find("keep").line
			judged = len(r.mistakes) == before
		}
		next := scheduleOf(s, rules)
		if s["every"] == nil {
			standIn(&next, "every")
		}
		if one.find("prefix") != nil && s["prefix"] == nil {
			standIn(&next, "prefix")
		}
		if !judged {
			standIn(&next, "keep")
		}
		for err := schedule.Validate(append(valid, next)); err != nil; err = schedule.Validate(append(valid, next)) {
			key, line := keyOf(err), one.line
			if said := s[key]; said != nil {
				line = said.From.line
			} else if key == "keep" {
				line = keepLine
			}
			r.wrong(line, name+"."+key, "%v", err)
			standIn(&next, key)
		}
		valid = append(valid, next)
		all = append(all, Schedule{next, s, rules, r.at(one.line)})
	}
	return all
}

// scheduleOf is what settings say of a schedule, with the default prefix if they have none.
func scheduleOf(s, rules Settings) schedule.Schedule {
	next := schedule.Schedule{Prefix: Get[string](s, "prefix"), Every: Get[time.Duration](s, "every"), Keep: schedule.Keep{
		Last: ruleOf(rules, "last"), Hourly: ruleOf(rules, "hourly"), Daily: ruleOf(rules, "daily"),
		Weekly: ruleOf(rules, "weekly"), Monthly: ruleOf(rules, "monthly"), Yearly: ruleOf(rules, "yearly"),
	}}
	if next.Prefix == "" {
		next.Prefix = schedule.DefaultPrefix
	}
	return next
}

// standIn puts what nobody could object to in the place of what is wrong already, so that the rest can be judged.
func standIn(s *schedule.Schedule, key string) {
	switch key {
	case "every":
		s.Every = time.Hour
	case "prefix":
		s.Prefix = rand.Text() // nobody else has it
	case "keep":
		s.Keep = schedule.Keep{Last: 1}
	}
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
