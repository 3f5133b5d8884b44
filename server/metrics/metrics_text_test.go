package metrics

import (
	"strings"
	"testing"

	"pmemfs/server/traffic"
)

// TestText shows names that are no text, as paths of images may be.
func TestText(t *testing.T) {
	table := traffic.New()
	m := full(table)
	m.c.Images = func() []Image {
		return []Image{{Name: "/srv/\xff\xfe", Failure: "\xc3(" + strings.Repeat("ä", reasonMax)}, {Name: "/srv/\xff\xfd"}}
	}
	c := table.UDP()
	c.One(traffic.Event{Procedure: traffic.NFS3.Procedure(1), Export: table.Export("/srv/\xff\xfe", "/")}, table.Now(), false)
	body := scrape(t, m.Handler())
	for _, want := range []string{`pmemfs_image_size_bytes{image="/srv/\\xff\\xfe"} 0`, `pmemfs_image_size_bytes{image="/srv/\\xff\\xfd"} 0`, `image="/srv/\\xff\\xfe",procedure="GETATTR"`} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is missing", want)
		}
	}
}
