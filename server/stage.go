package server

// stage is how far a Server is in its life.
type stage int32

const (
	starting stage = iota
	recovering
	serving
	stopping
)

// String is what those who ask are told.
func (s stage) String() string {
	return [...]string{"starting", "recovering", "serving", "stopping"}[s]
}

// stage returns how far the server is.
func (s *Server) stage() stage { return stage(s.at.Load()) }

// enter begins a stage.
func (s *Server) enter(at stage) { s.at.Store(int32(at)) }
