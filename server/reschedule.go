package server

import "pmemfs/server/schedule"

// Reschedule makes and deletes snapshots by other schedules from now on. One whose prefix stays goes on where it was. It may be called by any
// goroutine while the server serves. An image that is open for reading only gets no snapshots.
//
// Errors: those of schedule.Validate; nothing has changed then.
func (s *Server) Reschedule(list []schedule.Schedule) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	if s.readOnly {
		if len(list) > 0 {
			s.log.Warn("the image is open for reading only: no snapshots are made or deleted by schedules")
		}
		return schedule.Validate(list)
	}
	added, removed, changed := s.snapshots.Difference(list)
	if err := s.snapshots.Set(list); err != nil {
		return err
	}
	if len(added)+len(removed)+len(changed) > 0 {
		s.log.Info("schedules of snapshots", "added", added, "removed", removed, "changed", changed)
	}
	return nil
}
