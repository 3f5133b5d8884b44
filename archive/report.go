package archive

import "pmemfs/archive/tarball"

// problemsMax is how many problems a report keeps.
const problemsMax = 100

// Problem is a file that could not be copied as it is.
type Problem struct {
	Path    string `json:"path" doc:"from the top of what was copied"`
	Text    string `json:"text" doc:"what is wrong"`
	Skipped bool   `json:"skipped,omitempty" doc:"nothing is wrong with it, but an archive cannot hold it"`
}

// Report says what was copied.
type Report struct {
	Files    uint64    `json:"files" doc:"all but directories"`
	Dirs     uint64    `json:"dirs" doc:"directories"`
	Bytes    uint64    `json:"bytes" doc:"of data"`
	Problems []Problem `json:"problems" doc:"files that could not be copied as they are, the first 100"`
	Damaged  uint64    `json:"damaged" doc:"how many there are, without those that are skipped"`
}

// NewReport returns an empty report.
func NewReport() Report { return Report{Problems: []Problem{}} }

// note keeps a problem.
func (r *Report) note(p Problem) {
	if !p.Skipped {
		r.Damaged++
	}
	p.Path = tarball.Short(p.Path)
	if len(r.Problems) < problemsMax {
		r.Problems = append(r.Problems, p)
	}
}

// count counts an entry.
func (r *Report) count(e *tarball.Entry) {
	if e.Type == tarball.Dir {
		r.Dirs++
	} else {
		r.Files++
	}
}
