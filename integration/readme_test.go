package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pmemfs/integration/harness"
)

// TestDocumentedCommands runs every command of the ```console blocks of all documents. Those of one block share a folder, as they do
// for a reader. A command that no rule below knows how to run is a failure: what is documented is tested.
func TestDocumentedCommands(t *testing.T) {
	root := harness.Root(t)
	documents, err := filepath.Glob(filepath.Join(root, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	below, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, path := range append(documents, below...) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		document, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		if shownWhole[document] != "" {
			continue
		}
		for i, commands := range consoleBlocks(string(text)) {
			total++
			t.Run(fmt.Sprintf("%s block %d", document, i+1), func(t *testing.T) {
				dir := t.TempDir()
				for _, command := range commands {
					runDocumented(t, dir, command)
				}
			})
		}
	}
	if total < 8 {
		t.Errorf("%d console blocks in all documents", total)
	}
}

// consoleBlocks returns the commands of each block: the lines after "$ ",
// joined where they end in a backslash.
func consoleBlocks(text string) [][]string {
	var blocks [][]string
	for _, part := range strings.Split(text, "```console\n")[1:] {
		body, _, _ := strings.Cut(part, "```")
		body = strings.ReplaceAll(body, "\\\n", " ")
		var commands []string
		for line := range strings.Lines(body) {
			command, ok := strings.CutPrefix(strings.TrimSpace(line), "$ ")
			command, _, _ = strings.Cut(command, "  #") // a remark for the reader
			if ok {
				commands = append(commands, strings.Join(strings.Fields(command), " "))
			}
		}
		blocks = append(blocks, commands)
	}
	return blocks
}

// ourCommand recognises the spellings of our own binary.
var ourCommand = regexp.MustCompile(`^(sudo )?(go run \./cmd/pmemfs|(\./)?(bin/)?pmemfs) `)

// shownWhole are documents whose commands a test of their own runs, one after the other.
var shownWhole = map[string]string{
	"docs/persistent-memory.md": "TestNDCTL",
}

// shownElsewhere are commands that a test of their own runs.
var shownElsewhere = map[string]string{
	"buildah bud --format docker -t pmemfs .": "TestContainer",
	"rpcinfo -p 127.0.0.1":                    "TestPortmapTools",
	"showmount -e 127.0.0.1":                  "TestPortmapTools",
	"make test":                               "this run",
	"scripts/test.sh":                         "this run",
}

// runDocumented runs one command in dir.
func runDocumented(t *testing.T, dir, command string) {
	t.Helper()
	t.Log(command)
	ours := ourCommand.FindString(command)
	switch {
	case strings.Contains(command, " | ") || strings.HasPrefix(command, "mkdir ") || strings.HasPrefix(command, "cp ") || strings.HasPrefix(command, "tar "):
		cmd := exec.Command("sh", "-ec", "pmemfs() { "+harness.Binary(t)+" \"$@\"; }; "+command)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	case ours != "":
		args := strings.Fields(strings.TrimPrefix(command, ours))
		if args[0] == "serve" {
			serveDocumented(t, dir, args[1:])
			return
		}
		if args[0] == "health" { // the port of a machine is another server's
			at := harness.Local(harness.FreePort(t))
			harness.ServeDefault(t, t.TempDir(), "--size", "64MiB", "--admin", at)
			args = append(args, at)
		}
		harness.MustRun(t, dir, args...)
	case strings.HasPrefix(command, "sudo mount -t nfs "):
		// TestKernelClient and TestLocks mount with these options, port and address apart.
		if !strings.Contains(command, " -o "+mountOptions(2049)+" ") && !strings.Contains(command, " -o "+lockOptions+" ") {
			t.Errorf("%s: the tests mount with %s, or with %s", command, mountOptions(2049), lockOptions)
		}
	case strings.HasPrefix(command, "sudo mount -t 9p "):
		// TestNinePKernel does, by TCP: a socket's path is of no use in a guest.
		if !strings.Contains(command, ",version=9p2000.L,"+ninePOptions) {
			t.Errorf("%s: the tests mount with %s", command, ninePOptions)
		}
	case strings.HasPrefix(command, "curl "):
		cmd := exec.Command("sh", "-c", command+" --fail")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil || !json.Valid(out) {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	case strings.HasPrefix(command, "podman run -d "):
		runDocumentedContainer(t, dir, strings.Fields(command)[3:])
	case strings.HasPrefix(command, "sudo mount_nfs "):
		// macOS alone has this program.
	case strings.HasPrefix(command, "sudo umount "):
	case shownElsewhere[command] != "":
	case strings.HasPrefix(command, "make "):
		// A dry run shows that the target exists.
		inModule(t, "make", append([]string{"--dry-run"}, strings.Fields(command)[1:]...)...)
	case strings.HasPrefix(command, "scripts/test.sh "):
		script, err := os.ReadFile(filepath.Join(harness.Root(t), "scripts/test.sh"))
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Fields(command)[1:] {
			if !strings.Contains(string(script), "part_"+part+"()") {
				t.Errorf("%s: there is no such part", command)
			}
		}
	case strings.HasPrefix(command, "go test "):
		// Listing the tests compiles them and checks flags and pattern.
		inModule(t, "sh", "-c", command+" -list '.*'")
	case strings.HasPrefix(command, "go build "):
		inModule(t, "sh", "-c", command)
	default:
		t.Errorf("%s: no rule says how to test this command", command)
	}
}

// serveDocumented starts a server as documented and leaves it to the end of
// the block. Ports of its own replace the default ones, which another server
// of this machine may have.
func serveDocumented(t *testing.T, dir string, args []string) {
	t.Helper()
	if i := slices.Index(args, "--nfs"); i >= 0 {
		args = slices.Delete(args, i, i+2)
	}
	if i := slices.Index(args, "--portmap"); i >= 0 {
		args[i+1] = fmt.Sprintf(":%d", harness.FreePort(t))
	}
	for i, arg := range args {
		switch {
		case arg != "--9p":
		case strings.HasPrefix(args[i+1], "unix:"):
			args[i+1] = "unix:" + filepath.Join(dir, "socket")
		default:
			args[i+1] = fmt.Sprintf(":%d", harness.FreePort(t))
		}
	}
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		harness.Serve(t, filepath.Join(dir, args[0]), args[1:]...)
		return
	}
	harness.ServeDefault(t, dir, args...)
}

func inModule(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = harness.Root(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}
