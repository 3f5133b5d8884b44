package metrics

import "time"

var callLabels = []string{"protocol", "procedure", "image", "export"}

var (
	calls   = counter("pmemfs_calls_total", "Calls that were answered. image and export are empty where a call is about none.", callLabels...)
	errs    = counter("pmemfs_call_errors_total", "Calls that were answered with an error, by the protocol's name for it.", append(callLabels, "status")...)
	took    = histogram("pmemfs_call_duration_seconds", "Time from when the server begins with the calls that have arrived until the reply leaves.", callLabels...)
	callIn  = counter("pmemfs_call_received_bytes_total", "Bytes of calls, with their headers.", callLabels...)
	callOut = counter("pmemfs_call_sent_bytes_total", "Bytes of replies, with their headers.", callLabels...)
	beside  = counter("pmemfs_calls_offloaded_total", "Calls that had to wait for the medium or a lock, and were answered beside their connection's others.")
)

// within are the bounds of pmemfs_call_duration_seconds: 1, 2 and 5 of each decade.
var within = func() (list []time.Duration) {
	for unit := time.Microsecond; unit < 10*time.Second; unit *= 10 {
		list = append(list, unit, 2*unit, 5*unit)
	}
	return append(list, 10*time.Second)
}()

// collectCalls shows calls by protocol, procedure and export.
func (m *Metrics) collectCalls(s sink) {
	for _, c := range m.c.Traffic.All() {
		of := []string{c.Protocol.String(), c.Procedure.String(), c.Image, c.Export}
		s.put(calls, float64(c.Calls), of...)
		s.put(callIn, float64(c.In), of...)
		s.put(callOut, float64(c.Out), of...)
		buckets := make(map[float64]uint64, len(within))
		for _, d := range within {
			buckets[d.Seconds()] = c.Within(d)
		}
		s.putHistogram(took, c.Calls, c.Seconds, buckets, of...)
		for _, e := range c.Errors {
			s.put(errs, float64(e.Calls), append(of, c.Protocol.StatusName(e.Status))...)
		}
	}
	s.put(beside, float64(m.c.Traffic.Offloaded()))
}

var (
	clientCalls = counter("pmemfs_client_calls_total", "Calls of the busiest clients; \"(other)\" has those of all others, \"udp\" those in datagrams.", "client")
	clientErrs  = counter("pmemfs_client_errors_total", "Calls of a client that were answered with an error.", "client")
	clientIn    = counter("pmemfs_client_received_bytes_total", "Bytes of a client's calls.", "client")
	clientOut   = counter("pmemfs_client_sent_bytes_total", "Bytes of the replies to a client.", "client")
	clientTook  = counter("pmemfs_client_call_seconds_total", "Time of a client's calls in the server.", "client")
	clientConns = gauge("pmemfs_client_connections", "Open connections of a client.", "client")
	clientLast  = gauge("pmemfs_client_last_call_timestamp_seconds", "When a client's last call was answered.", "client")
	connections = gauge("pmemfs_connections", "Open connections by what is spoken on them: rpc (NFS and what belongs to it) or 9p.", "protocol")
)

// collectClients shows the busiest clients.
func (m *Metrics) collectClients(s sink) {
	for _, c := range m.c.Traffic.Series(ClientsShown) {
		s.put(clientCalls, float64(c.Calls), c.Client)
		s.put(clientErrs, float64(c.Errors), c.Client)
		s.put(clientIn, float64(c.BytesIn), c.Client)
		s.put(clientOut, float64(c.BytesOut), c.Client)
		s.put(clientTook, c.Seconds, c.Client)
		s.put(clientConns, float64(c.Connections), c.Client)
		if c.LastNS > 0 {
			s.put(clientLast, float64(c.LastNS)/1e9, c.Client)
		}
	}
	open := m.c.Traffic.Connections()
	for _, kind := range []string{"rpc", "9p"} {
		s.put(connections, float64(open[kind]), kind)
	}
}
