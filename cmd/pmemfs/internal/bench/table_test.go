package bench

import (
	"slices"
	"testing"
)

// TestColumnNames: two folders of one type are told apart.
func TestColumnNames(t *testing.T) {
	folders := []Folder{{"/a", "ext4"}, {"/b", "tmpfs"}, {"/c", "ext4"}}
	if got := columnNames(folders); !slices.Equal(got, []string{"ext4 at /a", "tmpfs", "ext4 at /c"}) {
		t.Errorf("%q", got)
	}
	if one, two := number(1, "round"), number(2, "round"); one != "1 round" || two != "2 rounds" {
		t.Errorf("%q, %q", one, two)
	}
}
