package media

import (
	"fmt"

	"pmemfs/pmemfs/internal/pmem"
)

// LookForImage looks whether the image's path still leads to it, logs what has changed since the last look, and counts each look that
// does not find it. The journal of an image without a name fails: nothing is acknowledged from then on. Called from one goroutine.
func (h *Health) LookForImage() error {
	g, err := h.Enter(0)
	if err != nil {
		return err
	}
	defer g.RUnlock()
	identity, err := h.Region.Identity()
	if err != nil {
		return err
	}
	if identity != pmem.Same {
		h.misplaced.Add(1)
	}
	before := pmem.Identity(h.identity.Swap(uint32(identity)))
	if identity == before {
		return nil
	}
	path := h.Region.Path()
	switch identity {
	case pmem.Same:
		h.Log.Info("the image is where it was again", "image", path)
	case pmem.Replaced:
		h.Log.Error("the image is no longer at its path: it has been moved or replaced, and the next start will serve what is there then",
			"image", path, "content", h.Region.Descriptor())
	case pmem.Unlinked:
		if !h.ReadOnly {
			h.Journal.Fail(fmt.Errorf("%s: %w", path, pmem.ErrNameless))
		}
		h.Log.Error("the image has been removed: nothing is acknowledged any more, and all of it is gone when this process ends; copy it before that",
			"image", path, "command", "cp --sparse=never "+h.Region.Descriptor()+" COPY")
	}
	return nil
}
