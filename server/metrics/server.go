package metrics

import "runtime"

var (
	build = gauge("pmemfs_build_info", "The program; always 1.", "version", "revision", "goversion")
	state = gauge("pmemfs_server_state", "1 for the state that the server is in: starting, recovering, serving or stopping.", "state")

	ended = counter("pmemfs_connections_ended_total", "Connections that have ended: ended in order, lost, junk (what came was no call), cut (too slow), "+
		"evicted (idle, for another client), refused (too many).", "how")
	waiting = gauge("pmemfs_calls_waiting", "Calls that are being answered beside their connection's others.")
	working = gauge("pmemfs_connections_working", "Connections at work. While there is one client only they are not counted.")
	panics  = counter("pmemfs_panics_total", "Faults of the program that were recovered. The log says where.")

	memoryLimit = gauge("pmemfs_request_memory_limit_bytes", "The most that requests of all clients take.")
	memoryPart  = gauge("pmemfs_request_memory_part_limit_bytes", "The most that one part of the memory for requests has.", "part")
	memoryHeld  = gauge("pmemfs_request_memory_bytes", "What requests hold, by part.", "part")
	memoryQueue = gauge("pmemfs_request_memory_waiting_clients", "Clients that wait for memory, by part.", "part")
	memoryOf    = gauge("pmemfs_request_memory_client_bytes", "What requests of a client hold, of the ten that hold most.", "client")

	certificate = gauge("pmemfs_certificate_expiry_timestamp_seconds", "When a certificate that the server shows ends.", "of")

	accessLines = counter("pmemfs_access_log_lines_total", "Lines of the access log: written, or lost as nobody took them.", "result")
	spans       = counter("pmemfs_trace_spans_total", "Spans of traces: written, or lost as nobody took them.", "result")
)

// states are those of a server.
var states = []string{"starting", "recovering", "serving", "stopping"}

// collectServer shows the server as a whole.
func (m *Metrics) collectServer(s sink, v *Server) {
	s.put(build, 1, m.c.Version, m.c.Revision, runtime.Version())
	for _, name := range states {
		s.put(state, number(name == v.State), name)
	}
	for how, n := range map[string]uint64{"ended": v.Connections.Ended, "lost": v.Connections.Lost, "junk": v.Connections.Junk, "cut": v.Connections.Cut,
		"evicted": v.Connections.Evicted, "refused": v.Connections.Refused} {
		s.put(ended, float64(n), how)
	}
	s.put(waiting, float64(v.Waiting))
	s.put(working, float64(v.Working))
	s.put(panics, float64(v.Panics))
	s.put(memoryLimit, float64(v.MemoryLimit))
	for _, p := range v.Memory {
		s.put(memoryPart, float64(p.Limit), p.Name)
		s.put(memoryHeld, float64(p.Held), p.Name)
		s.put(memoryQueue, float64(p.Waiting), p.Name)
	}
	for _, h := range v.Holders[:min(len(v.Holders), HoldersShown)] {
		s.put(memoryOf, float64(h.Bytes), h.Client)
	}
	for _, c := range v.Certificates {
		s.putTime(certificate, c.Until, c.Of)
	}
	for m, l := range map[*metric]Lossy{accessLines: v.Access, spans: v.Spans} {
		s.put(m, float64(l.Written), "written")
		s.put(m, float64(l.Lost), "lost")
	}
}
