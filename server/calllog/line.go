package calllog

import (
	"strconv"
	"time"
	"unicode/utf8"

	"pmemfs/pmemfs"
	"pmemfs/server/rpc"
	"pmemfs/server/traffic"
)

// nameMost bounds what a line has of a name, in bytes.
const nameMost = 255

// appendLine appends the line of a call.
func (l *Log) appendLine(b []byte, r *rpc.Request, o *rpc.Observed, now time.Time) []byte {
	image, export := l.traffic.ExportName(o.Export)
	b = now.AppendFormat(append(b, `{"time":"`...), time.RFC3339Nano)
	b = append(b, `","client":"`...)
	if r.Remote.IsValid() {
		b = r.Remote.AppendTo(b)
	} else {
		b = append(b, "unix"...)
	}
	b = appendString(append(b, `","protocol":`...), o.Procedure.Protocol().String())
	b = appendString(append(b, `,"procedure":`...), o.Procedure.String())
	b = appendString(append(b, `,"image":`...), image)
	b = appendString(append(b, `,"export":`...), export)
	if c := &r.Counted; c.File != 0 {
		b = strconv.AppendUint(append(b, `,"file":`...), c.File, 10)
	}
	if name := r.Counted.Name; name != nil {
		b = appendString(append(b, `,"name":`...), name[:min(len(name), nameMost)])
	}
	if user, ok := User(r, o); ok {
		b = strconv.AppendUint(append(b, `,"user":`...), uint64(user), 10)
	}
	b = appendString(append(b, `,"status":`...), o.Procedure.Protocol().StatusName(o.Status))
	b = strconv.AppendUint(append(b, `,"in":`...), uint64(o.In), 10)
	b = strconv.AppendUint(append(b, `,"out":`...), uint64(o.Out), 10)
	b = strconv.AppendFloat(append(b, `,"latency":`...), time.Duration(o.Ended-o.Arrived).Seconds(), 'f', -1, 64)
	return append(b, "}\n"...)
}

// User is whom a client says it is.
func User(r *rpc.Request, o *rpc.Observed) (uid uint32, ok bool) {
	if o.Procedure.Protocol() == traffic.NineP {
		return r.Counted.User, r.Counted.Export != traffic.NoExport && r.Counted.User != pmemfs.NoID
	}
	return r.Sys.UID, r.CredFlavor == rpc.AuthSys
}

// appendString appends a string of JSON. What is no UTF-8 becomes U+FFFD.
func appendString[T string | []byte](b []byte, s T) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range string(s) {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029':
			b = append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
