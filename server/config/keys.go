package config

import (
	"math"
	"slices"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/server/rpc"
	"pmemfs/server/schedule"
)

// Stdout in place of the path of the access log means standard output.
const Stdout = "-"

// AdminOff in place of the address of the admin port means that there is none.
const AdminOff = "off"

// DefaultImage is served where no image is named.
const DefaultImage = "pmemfs.img"

// graceMax bounds the time in which locks can be claimed: nobody gets a new one meanwhile.
const graceMax = 10 * time.Minute

// keys are all that there are. A default that the code has elsewhere is held to it by a test.
var keys = slices.Concat(serverKeys, imageKeys, exportKeys, snapshotKeys, quotaKeys, limitKeys)

// serverKeys are about the whole server.
var serverKeys = []Key{
	{Table: TableServer, Name: "config", Kind: kindPath, Absent: "none", NoFile: true, Option: true,
		Doc: "file in TOML that says what these options say, and more"},
	{Table: TableServer, Name: "nfs", Kind: address("127.0.0.1:2049"), Default: "127.0.0.1:2049", Option: true,
		Doc: "address to serve NFS and MOUNT on, host:port"},
	{Table: TableServer, Name: "nfs_stack", Kind: enum("the NFS stack", "native", stackGoNFS), Default: "native", Option: true,
		Doc: "implementation of NFS: native or go-nfs"},
	{Table: TableServer, Name: "9p", Kind: kindNineP, List: true, Absent: "nowhere", Example: `[":564", "unix:/run/pmemfs.9p"]`, Option: true,
		Doc: "address to serve 9P2000.L on too: host:port, :PORT at the address of NFS, or unix:PATH"},
	{Table: TableServer, Name: "9p_users", Kind: kindPath, Absent: "this machine's users", Example: `"/etc"`, Option: true,
		Doc: "folder with files passwd and group that say which groups users of 9P are in"},
	{Table: TableServer, Name: "portmap", Kind: address(":111"), Absent: "nowhere", Example: `":111"`, Option: true,
		Doc: "address to answer as a portmapper (rpcbind) on too, such as :111, which is that port at the address of NFS"},
	{Table: TableServer, Name: "register", Kind: kindBool, Default: "false", Option: true,
		Doc: "register with the rpcbind that runs on this machine, in place of portmap"},
	{Table: TableServer, Name: "no_locks", Kind: kindBool, Default: "false", Option: true,
		Doc: "leave out the lock manager of NFS: clients mount with nolock; 9P has its own locks"},
	{Table: TableServer, Name: "grace", Kind: durationKind(0, graceMax), Default: "45s", Option: true,
		Doc: "how long after a restart clients can claim their locks; new ones wait meanwhile"},
	{Table: TableServer, Name: "memory", Kind: kindMemory, Absent: "three eighths of the control group's or machine's, at most 1GiB", Example: `"256MiB"`, Option: true,
		Doc: "the most that requests of all clients take; beyond it they wait"},
	{Table: TableServer, Name: "admin", Kind: kindAdmin, Default: "127.0.0.1:9049", Option: true,
		Doc: "address of the admin port, with metrics, health and a status page: host:port, or " + AdminOff},
	{Table: TableServer, Name: "admin_hosts", Kind: kindHost, List: true, Absent: "addresses and localhost alone", Example: `["pmemfs.example.net"]`, Option: true,
		Doc: "name by which the admin port may be called, besides addresses and localhost"},
	{Table: TableServer, Name: "admin_token", Kind: kindPath, Absent: "nobody may change anything by the admin port", Example: `"/run/secrets/pmemfs"`, Option: true,
		Doc: "file with the token by which the admin port takes what changes something"},
	{Table: TableServer, Name: "admin_cert", Kind: kindPath, Absent: "no TLS", Example: `"/etc/pmemfs/cert.pem"`, Option: true,
		Doc: "file in PEM with the certificate of the admin port"},
	{Table: TableServer, Name: "admin_key", Kind: kindPath, Absent: "no TLS", Example: `"/etc/pmemfs/key.pem"`, Option: true,
		Doc: "file in PEM with the key of that certificate"},
	{Table: TableServer, Name: "debug_pprof", Kind: kindBool, Default: "false", Option: true,
		Doc: "have Go's profiles at the admin port, below /debug/pprof/"},
	{Table: TableServer, Name: "access_log", Kind: kindLog, Absent: "none", Example: `"/var/log/pmemfs/access.log"`, Option: true,
		Doc: "file to which a line of JSON is appended for each call, or " + Stdout + " for standard output; SIGHUP opens it anew"},
	{Table: TableServer, Name: "access_log_sample", Kind: number("a number of calls", 1, math.MaxInt32), Default: "1", Option: true,
		Doc: "one of so many calls has a line in the access log"},
	{Table: TableServer, Name: "trace_endpoint", Kind: kindURL, Absent: "none", Example: `"http://127.0.0.1:4318"`, Option: true,
		Doc: "URL of a collector of OpenTelemetry that is told of calls, by OTLP over HTTP"},
	{Table: TableServer, Name: "trace_sample", Kind: kindPart, Default: "0.001", Option: true,
		Doc: "which part of calls it is told of: above 0, up to 1"},
	{Table: TableServer, Name: "log_level", Kind: enum("the level", "debug", "info", "warn", "error"), Default: "info", Option: true, Live: true,
		Doc: "least severe messages to log: debug, info, warn or error"},
	{Table: TableServer, Name: "log_format", Kind: enum("the form", "text", "json"), Default: "text", Option: true, Live: true,
		Doc: "form of the log on standard error: text or json"},
}

// imageKeys are about one image.
var imageKeys = []Key{
	{Table: TableImage, Name: "path", Kind: kindPath, Default: DefaultImage,
		Doc: "file or device to serve; in an [[image]] the key is path, and has to be there"},
	{Table: TableImage, Name: "size", Kind: kindSize, Default: "1GiB", Option: true,
		Doc: "size of a new image"},
	{Table: TableImage, Name: "root_owner", Kind: kindOwner, Absent: "whoever runs this", Example: `"1000:1000"`, Option: true,
		Doc: "owner of a new filesystem's root directory as UID:GID"},
	{Table: TableImage, Name: "root_mode", Kind: kindMode, Absent: "0755, or 1777 if root runs this, since clients' root is squashed", Example: `"0755"`, Option: true,
		Doc: "mode of a new filesystem's root directory in octal"},
	{Table: TableImage, Name: "control", Kind: kindControl, Absent: "IMAGE.sock; of a device, below /run", Example: `"/run/pmemfs.sock"`, Option: true,
		Doc: "path of the socket by which commands such as grow reach this server, or " + NoControl},
	{Table: TableImage, Name: "durability", Kind: enum("durability", "power", "process"), Default: "power", Option: true,
		Doc: "what a reply survives: power (a power cut) or process (the end of this process only, on an ordinary file)"},
	{Table: TableImage, Name: "volatile", Kind: kindBool, Default: "false", Option: true,
		Doc: "flush nothing: a power cut loses all (for tests and scratch space)"},
	{Table: TableImage, Name: "sparse", Kind: kindBool, Default: "false", Option: true,
		Doc: "serve an image that is sparse, or shares blocks with other files, as it is: writes fail when the disk below is full"},
	{Table: TableImage, Name: "scrub_every", Kind: kindDuration, Default: "168h", Option: true, Live: true,
		Doc: "how often to read everything in search of damage; 0s for never"},
	{Table: TableImage, Name: "scrub_rate", Kind: kindSize, Default: "32MiB", Option: true, Live: true,
		Doc: "how much of it to read in a second at most"},
	{Table: TableImage, Name: "export", Kind: kindExport, List: true, Absent: "one, of the whole filesystem", NoFile: true, Option: true, Live: true,
		Doc: "an export as NAME[=SUBTREE][,ro|rw][,squash=root|all|none][,anon_uid=N][,anon_gid=N][,clients=NETWORK][,secure_port]" +
			"[,directory_offsets=31][,snapdir=hidden|visible|disabled]; SUBTREE is a directory inside the image"},
}

// exportKeys are about an export. Those with an option are, on the command line, about the one that there is when none is named.
var exportKeys = []Key{
	{Table: TableExport, Name: "name", Kind: kindInside, Default: "/", Live: true,
		Doc: "what clients mount"},
	{Table: TableExport, Name: "subtree", Kind: kindInside, Absent: "the name", Example: `"/"`, Live: true,
		Doc: "directory inside the image that it shows; no directory of the server's machine"},
	{Table: TableExport, Name: "read_only", Kind: kindBool, Default: "false", Option: true, Live: true,
		Doc: "refuse all changes by clients; an image that cannot be written can then be served too"},
	{Table: TableExport, Name: "squash", Kind: enum("squash", squashes...), Default: "root", Option: true, Live: true,
		Doc: "whose identity is taken away: none, root or all"},
	{Table: TableExport, Name: "anon_uid", Kind: number("a user", 0, int64(pmemfs.NoID)-1), Default: "65534", Option: true, Live: true,
		Doc: "user that squashed users become"},
	{Table: TableExport, Name: "anon_gid", Kind: number("a group", 0, int64(pmemfs.NoID)-1), Default: "65534", Option: true, Live: true,
		Doc: "group that squashed users become"},
	{Table: TableExport, Name: "clients", Kind: kindNetwork, List: true, Absent: "all that can connect", Example: `["10.0.0.0/8", "fd00::/8"]`, Option: true, Live: true,
		Doc: "networks that may use the export, such as 10.0.0.0/8"},
	{Table: TableExport, Name: "secure_port", Kind: kindBool, Default: "false", Option: true, Live: true,
		Doc: "refuse clients whose port is not below 1024; macOS uses others"},
	{Table: TableExport, Name: "directory_offsets", Kind: offsets, Default: "63", Live: true,
		Doc: "bits of a directory position: 63, or 31 for 32-bit programs"},
	{Table: TableExport, Name: "snapdir", Kind: enum("snapdir", snapdirs...), Default: "hidden", Live: true,
		Doc: "whether .snapshots is listed in it, or there at all: hidden, visible or disabled"},
}

// offsets is the kind of a number that has two values.
var offsets = &Kind{name: "number", shape: anInteger, values: []string{"31", "63"}, parse: func(text string) (any, error) {
	n, err := parseNumber("a number of bits", text, 0, 0)
	if err != nil {
		return nil, err
	}
	_, err = shortOffsets(int(n.(int64)))
	return n, err
}}

// rule is the kind of a number of snapshots to keep. 0 may be meant to keep all, or none.
var rule = number("a number of snapshots to keep", 1, schedule.KeepMax)

// snapshotKeys are about a schedule of snapshots.
var snapshotKeys = []Key{
	{Table: TableSnapshots, Name: "every", Kind: &Kind{name: "duration", shape: aText, parse: parseEvery, pattern: kindDuration.pattern}, Absent: "it has to be said", Example: `"15m"`, Needed: true, Live: true,
		Doc: "time between two snapshots, in whole seconds"},
	{Table: TableSnapshots, Name: "prefix", Kind: kindText, Default: schedule.DefaultPrefix, Live: true,
		Doc: "what the names of the snapshots begin with; the time follows"},
	{Table: TableKeep, Name: "last", Kind: rule, Absent: "none by this rule", Example: "4", Live: true, Doc: "keep so many of the newest snapshots"},
	{Table: TableKeep, Name: "hourly", Kind: rule, Absent: "none by this rule", Example: "24", Live: true, Doc: "keep the newest snapshot of so many hours"},
	{Table: TableKeep, Name: "daily", Kind: rule, Absent: "none by this rule", Example: "7", Live: true, Doc: "keep the newest snapshot of so many days"},
	{Table: TableKeep, Name: "weekly", Kind: rule, Absent: "none by this rule", Example: "4", Live: true, Doc: "keep the newest snapshot of so many weeks"},
	{Table: TableKeep, Name: "monthly", Kind: rule, Absent: "none by this rule", Example: "12", Live: true, Doc: "keep the newest snapshot of so many months"},
	{Table: TableKeep, Name: "yearly", Kind: rule, Absent: "none by this rule", Example: "3", Live: true, Doc: "keep the newest snapshot of so many years"},
}

// files is the kind of a limit of files.
var files = number("a number of files", 0, 0)

// quotaKeys are about a quota.
var quotaKeys = []Key{
	{Table: TableQuota, Name: "user", Kind: kindUser, Absent: "one of the three has to be there", Example: `"1000"`, Live: true, Doc: "name or number of a user"},
	{Table: TableQuota, Name: "group", Kind: kindGroup, Absent: "one of the three has to be there", Example: `"100"`, Live: true, Doc: "name or number of a group"},
	{Table: TableQuota, Name: "path", Kind: kindInside, Absent: "one of the three has to be there", Example: `"/projects/a"`, Live: true, Doc: "directory in the image: it and all below it"},
	{Table: TableQuota, Name: "bytes", Kind: kindLimit, Absent: "as the image has it", Example: `"10GiB"`, Live: true, Doc: "the most that may be used; 0 for no limit"},
	{Table: TableQuota, Name: "soft_bytes", Kind: kindLimit, Absent: "as the image has it", Example: `"8GiB"`, Live: true, Doc: "what may be exceeded for the grace time"},
	{Table: TableQuota, Name: "files", Kind: files, Absent: "as the image has it", Example: "100000", Live: true, Doc: "the most files of all types; 0 for no limit"},
	{Table: TableQuota, Name: "soft_files", Kind: files, Absent: "as the image has it", Example: "80000", Live: true, Doc: "what may be exceeded for the grace time"},
}

// limitKeys bound what one image may take of what all share.
var limitKeys = []Key{
	{Table: TableLimits, Name: "waiters", Kind: number("a number of calls", 1, rpc.RoomMax), Absent: "half of all that may wait; of the only image all", Example: "256", Live: true,
		Doc: "calls for the image that may wait at once for its medium or for its locks"},
}
