package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pmemfs/pmemfs"
)

// release is the version of a release, which its build sets (-X main.release=0.1.0).
var release string

// buildReport says what a build was made of.
type buildReport struct {
	Version  string            `json:"version"`          // of the release, or what the toolchain made of the source
	Commit   string            `json:"commit,omitempty"` // of the source; empty where the toolchain was not told
	Date     string            `json:"commit_date,omitempty"`
	Modified bool              `json:"modified"` // the source was not that of the commit
	Go       string            `json:"go"`
	Settings map[string]string `json:"settings"` // of the toolchain
	Format   pmemfs.Known      `json:"format"`   // of images
}

// shownSettings are the settings of a build that tell builds apart; the toolchain records others that name folders.
var shownSettings = []string{"CGO_ENABLED", "GOAMD64", "GOARCH", "GOARM64", "GOEXPERIMENT", "GOFIPS140", "GOOS", "-buildmode", "-compiler", "-race", "-tags", "-trimpath"}

// readBuild says what this build was made of.
func readBuild() buildReport {
	r := buildReport{Version: cmp.Or(release, "unknown"), Go: runtime.Version(), Settings: map[string]string{}, Format: pmemfs.KnownFormat()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return r
	}
	r.Version = cmp.Or(release, info.Main.Version)
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			r.Commit = s.Value
		case s.Key == "vcs.time":
			r.Date = s.Value
		case s.Key == "vcs.modified":
			r.Modified = s.Value == "true"
		case slices.Contains(shownSettings, s.Key):
			r.Settings[s.Key] = s.Value
		}
	}
	return r
}

// revision is the commit, with a mark if the source was not that of the commit.
func (r buildReport) revision() string {
	if r.Commit != "" && r.Modified {
		return r.Commit + "-modified"
	}
	return r.Commit
}

// line is what --version says.
func (r buildReport) line() string {
	return strings.Join(strings.Fields(strings.Join([]string{r.Version, r.revision(), r.Go}, " ")), " ")
}

// rows describes the build for people.
func (r buildReport) rows(t *tabular) {
	t.row("version", r.Version)
	if r.Commit != "" {
		t.row("commit", r.revision())
		t.row("commit date", r.Date)
	}
	t.row("Go", r.Go)
	var settings, features []string
	for key, value := range r.Settings {
		settings = append(settings, key+"="+value)
	}
	slices.Sort(settings)
	t.row("settings", strings.Join(settings, " "))
	for _, f := range r.Format.Features {
		features = append(features, f.Name)
	}
	t.row("format", fmt.Sprintf("%d, with %s", r.Format.Version, strings.Join(features, ", ")))
}

func newVersion() *cobra.Command {
	var form outputForm
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say what this program was built of",
		Long: `Say what this program was built of: its version, the commit of the source, the Go toolchain and its settings, and which
format and features of images it knows. An image with a feature that is not listed is refused, or can be read only: docs/upgrade.md.`,
		Example: `  pmemfs version
  pmemfs version --json`,
		Args: takes(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := form.vet(); err != nil {
				return err
			}
			r := readBuild()
			return form.print(cmd.OutOrStdout(), r, tableOf(r.rows))
		},
	}
	form.add(cmd.Flags())
	return cmd
}
