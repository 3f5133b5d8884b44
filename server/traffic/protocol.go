package traffic

// Protocol is one that clients speak.
type Protocol uint8

// The protocols. Unknown is of calls to programs that are not served.
const (
	Unknown Protocol = iota
	NFS3
	NFSACL
	Mount
	NLM
	NSM
	RQuota
	Portmap
	NineP
)

// protocols says how they and their procedures are called; a number without a name is no procedure.
var protocols = [...]struct {
	name       string
	procedures []string
}{
	Unknown: {name: "unknown"},
	NFS3: {"nfs3", []string{"NULL", "GETATTR", "SETATTR", "LOOKUP", "ACCESS", "READLINK", "READ", "WRITE", "CREATE", "MKDIR", "SYMLINK", "MKNOD",
		"REMOVE", "RMDIR", "RENAME", "LINK", "READDIR", "READDIRPLUS", "FSSTAT", "FSINFO", "PATHCONF", "COMMIT"}},
	NFSACL: {"nfsacl", []string{"NULL", "GETACL", "SETACL"}},
	Mount:  {"mount", []string{"NULL", "MNT", "DUMP", "UMNT", "UMNTALL", "EXPORT"}},
	NLM: {"nlm", []string{"NULL", "TEST", "LOCK", "CANCEL", "UNLOCK", "GRANTED", "TEST_MSG", "LOCK_MSG", "CANCEL_MSG", "UNLOCK_MSG", "GRANTED_MSG",
		"TEST_RES", "LOCK_RES", "CANCEL_RES", "UNLOCK_RES", "GRANTED_RES", 20: "SHARE", "UNSHARE", "NM_LOCK", "FREE_ALL"}},
	NSM:    {"nsm", []string{"NULL", "STAT", "MON", "UNMON", "UNMON_ALL", "SIMU_CRASH", "NOTIFY"}},
	RQuota: {"rquota", []string{"NULL", "GETQUOTA", "GETACTIVEQUOTA", "SETQUOTA", "SETACTIVEQUOTA"}},
	Portmap: {"portmap", []string{"NULL", "SET", "UNSET", "GETADDR", "DUMP", "CALLIT", "GETTIME", "UADDR2TADDR", "TADDR2UADDR", "GETVERSADDR", "INDIRECT",
		"GETADDRLIST", "GETSTAT", getPort: "GETPORT"}},
	NineP: {"9p", []string{8 / 2: "Tstatfs", 12 / 2: "Tlopen", 14 / 2: "Tlcreate", 16 / 2: "Tsymlink", 18 / 2: "Tmknod", 20 / 2: "Trename",
		22 / 2: "Treadlink", 24 / 2: "Tgetattr", 26 / 2: "Tsetattr", 30 / 2: "Txattrwalk", 32 / 2: "Txattrcreate", 40 / 2: "Treaddir", 50 / 2: "Tfsync",
		52 / 2: "Tlock", 54 / 2: "Tgetlock", 70 / 2: "Tlink", 72 / 2: "Tmkdir", 74 / 2: "Trenameat", 76 / 2: "Tunlinkat", 100 / 2: "Tversion",
		102 / 2: "Tauth", 104 / 2: "Tattach", 108 / 2: "Tflush", 110 / 2: "Twalk", 116 / 2: "Tread", 118 / 2: "Twrite", 120 / 2: "Tclunk", 122 / 2: "Tremove"}},
}

// getPort is the number by which GETPORT of the portmapper's version 2 is counted: later versions have GETADDR in its place.
const getPort = 13

// GetPort is that procedure.
func GetPort() Procedure { return Portmap.Procedure(getPort) }

// unknownName is what a number is called that is no procedure.
const unknownName = "unknown"

// Procedure is a procedure of a protocol.
type Procedure uint16

// procedureOf is what is known of a Procedure.
type procedureOf struct {
	protocol Protocol
	name     string
}

// procedures are all, one of each protocol for its unknown numbers, which is the last; first says where those of each protocol begin.
var (
	procedures []procedureOf
	first      [len(protocols)]uint16
	procTable  [len(protocols)][128]Procedure
)

func init() {
	for p := range protocols {
		first[p] = uint16(len(procedures))
		var unknown []uint32
		for n := range uint32(128) {
			names := protocols[p].procedures
			if n >= uint32(len(names)) || names[n] == "" {
				unknown = append(unknown, n)
				continue
			}
			procTable[p][n] = Procedure(len(procedures))
			procedures = append(procedures, procedureOf{Protocol(p), names[n]})
		}
		for _, n := range unknown {
			procTable[p][n] = Procedure(len(procedures))
		}
		procedures = append(procedures, procedureOf{Protocol(p), unknownName})
	}
	if len(procedures) > procsMax {
		panic("traffic: procsMax is too small")
	}
}

// procsMax bounds the procedures of all protocols.
const procsMax = 128

// Procedure is the procedure of a number. Of 9P, that is half the number of the request's message.
func (p Protocol) Procedure(number uint32) Procedure {
	return procTable[p][min(number, 127)] // no protocol has one of number 127
}

// String is the name of the protocol.
func (p Protocol) String() string { return protocols[p].name }

// Protocol is the protocol of the procedure.
func (p Procedure) Protocol() Protocol { return procedures[p].protocol }

// String is the name of the procedure.
func (p Procedure) String() string { return procedures[p].name }
