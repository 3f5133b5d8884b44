package serverbench

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// target is a server to be measured: one process, or two where one cannot serve both names and data as it should.
type target struct {
	name    string
	version string
	names   *instance
	data    *instance
	failed  map[string]string // why a row has no figure
}

// instance is a running server with what was put on it.
type instance struct {
	*process
	*site
}

// of is the instance that serves a row.
func (t *target) of(r *row) *instance {
	if r.bytes > 0 {
		return t.data
	}
	return t.names
}

func (t *target) stop() error {
	err := errors.Join(t.names.site.c.close(), t.names.stop())
	if t.data != t.names {
		err = errors.Join(err, t.data.site.c.close(), t.data.stop())
	}
	return err
}

// starter starts one target by its name.
func starter(protocol, name string) func(*Options, string) (*target, error) {
	switch name {
	case TargetP9:
		return func(_ *Options, dir string) (*target, error) { return startP9(dir) }
	case TargetDiod:
		return func(_ *Options, dir string) (*target, error) { return startDiod(dir) }
	case TargetMem:
		return startMem
	case TargetVFS:
		return startVFS
	}
	return func(o *Options, dir string) (*target, error) {
		if r, ok := o.running(name); ok {
			return connectRunning(r)
		}
		program, err := o.program(name)
		if err != nil {
			return nil, err
		}
		if protocol == ProtocolNineP {
			return startNineP(name, program, dir)
		}
		return startPmemfs(name, program, dir)
	}
}

// pmemfsProgram is what is measured.
const pmemfsProgram = "pmemfs"

// program is the path of the pmemfs that a target stands for.
func (o *Options) program(name string) (string, error) {
	switch {
	case name == TargetBase:
		return filepath.Abs(o.Base)
	case o.Pmemfs != "":
		return filepath.Abs(o.Pmemfs)
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if path, err := exec.LookPath(filepath.Join(filepath.Dir(self), pmemfsProgram)); err == nil {
		return path, nil
	}
	path, err := exec.LookPath(pmemfsProgram)
	if err != nil {
		return "", fmt.Errorf("%w: make build builds it, and --pmemfs says where it is", err)
	}
	return path, nil
}

// startPmemfs starts pmemfs with a stack as a server, on an image in memory.
func startPmemfs(name, program, dir string) (*target, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	stack := name
	if name == TargetBase {
		stack = TargetNative
	}
	p, err := start(addr, program, "serve", filepath.Join(dir, name+".img"), "--size", "1GiB", "--volatile", "--nfs", addr,
		"--nfs-stack", stack, "--squash", "none", "--scrub-every", "0")
	if err != nil {
		return nil, err
	}
	i, err := p.furnish(addr, addr, "/")
	if err != nil {
		return nil, err
	}
	return &target{name: name, version: pmemfsVersion(program), names: i, data: i}, nil
}

// pmemfsVersion is what a pmemfs says of itself.
func pmemfsVersion(program string) string {
	out, err := exec.Command(program, "--version").CombinedOutput()
	if err != nil {
		return "version unknown: " + err.Error()
	}
	return strings.TrimSpace(string(out))
}

// startEcho starts this program as one of the echoes.
func startEcho(protocol, form string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	return start(addr, self, EchoCommand, "--listen", addr, "--protocol", protocol, fmt.Sprintf("--batched=%t", form == EchoBatched))
}

const (
	ganeshaProgram = "ganesha.nfsd"
	rpcbindProgram = "rpcbind"
)

// errOutside says why a peer is absent where it cannot be enclosed.
var errOutside = errors.New("it needs rpcbind, which is started only in namespaces of its own: run as root")

// startMem starts Ganesha over memory. Its files hold data only up to a size for which every file takes memory at once, so
// what works with names has a server of its own, in which files take none.
func startMem(o *Options, dir string) (*target, error) {
	names, err := startGanesha(o, dir, "/mem-names", "FSAL { Name = MEM; }", "")
	if err != nil {
		return nil, err
	}
	data, err := startGanesha(o, dir, "/mem-data", "FSAL { Name = MEM; }", fmt.Sprintf("MEM { Inode_Size = %d; }\n", dataFileBytes))
	if err != nil {
		return nil, errors.Join(err, names.stop())
	}
	return &target{name: TargetMem, version: versionOf(ganeshaProgram, "nfs-ganesha"), names: names, data: data}, nil
}

// startVFS starts Ganesha over a folder.
func startVFS(o *Options, dir string) (*target, error) {
	folder := filepath.Join(dir, "vfs")
	if err := os.Mkdir(folder, 0o755); err != nil {
		return nil, err
	}
	i, err := startGanesha(o, dir, folder, "FSAL { Name = VFS; }", "")
	if err != nil {
		return nil, err
	}
	return &target{name: TargetVFS, version: versionOf(ganeshaProgram, "nfs-ganesha"), names: i, data: i}, nil
}

func startGanesha(o *Options, dir, path, fsal, more string) (*instance, error) {
	for _, program := range []string{ganeshaProgram, rpcbindProgram} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, err
		}
	}
	if !o.Enclosed {
		return nil, errOutside
	}
	nfs, err := freeAddr()
	if err != nil {
		return nil, err
	}
	mount, err := freeAddr()
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf(`NFS_CORE_PARAM { NFS_Port = %s; MNT_Port = %s; NFS_Protocols = 3; Enable_NLM = false; Enable_RQUOTA = false; }
LOG { Default_Log_Level = CRIT; Components { NFS_STARTUP = EVENT; } }
%sEXPORT { Export_Id = 1; Path = %s; Pseudo = %s; Access_Type = RW; Squash = No_Root_Squash; SecType = sys; Protocols = 3; Transports = TCP; %s }
`, portOf(nfs), portOf(mount), more, path, path, fsal)
	name := strings.TrimPrefix(filepath.Base(path), "/")
	file := filepath.Join(dir, name+".conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	// It registers with an rpcbind and then needs it no more. The next one would not be let register the same programs.
	bind, err := start("127.0.0.1:111", rpcbindProgram, "-f")
	if err != nil {
		return nil, err
	}
	p, err := start(nfs, ganeshaProgram, "-F", "-f", file, "-L", "STDERR", "-p", filepath.Join(dir, name+".pid"))
	if err != nil {
		return nil, errors.Join(err, bind.stop())
	}
	if err := errors.Join(p.says("NFS SERVER INITIALIZED"), bind.stop()); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p.furnish(nfs, mount, path)
}

// furnish mounts what a process serves, and stops it if that fails.
func (p *process) furnish(nfs, mount, path string) (*instance, error) {
	s, err := newSite(nfs, mount, path)
	if err != nil {
		return nil, errors.Join(p.explain(err), p.stop())
	}
	return &instance{p, s}, nil
}

var versionText = regexp.MustCompile(`[0-9]+\.[0-9.]+`)

// versionOf is what a program says of itself with -v.
func versionOf(program, name string) string {
	out, err := exec.Command(program, "-v").CombinedOutput()
	if err != nil {
		return "version unknown: " + err.Error()
	}
	return name + " " + versionText.FindString(string(out))
}
