package layout

import (
	"bytes"
	"testing"
)

// FuzzAccounts decodes anything as what quotas have on the medium: what is accepted is what would be encoded.
func FuzzAccounts(f *testing.F) {
	account := make([]byte, AccountPayload)
	EncodeAccount(account, &Account{Slot: 64, Limits: Limits{HardBlocks: 7}, Root: 17, State: ProjectGrows})
	state := make([]byte, QuotaStateSize)
	EncodeQuotaState(state, &QuotaState{Walk: WalkDone, Grace: [6]int64{1, 2}})
	slots := make([]byte, SlotBlockPayload)
	EncodeSlotBlock(slots, 99, 3)
	block := make([]byte, BlockSize)
	InitSlotBlock(block)
	for _, b := range [][]byte{account, state, slots, block[:AccountSlotSize], AppendAccountEntry(nil, 128, Usage{-1, 1}), AppendAccountEntry(nil, 64, Usage{1 << 40, 0})} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		again := make([]byte, len(b))
		if a, ok := DecodeAccount(b); ok {
			if EncodeAccount(again, &a); !bytes.Equal(again, b) {
				t.Errorf("account %+v is %x, was %x", a, again, b)
			}
		}
		if s, ok := DecodeQuotaState(b); ok {
			if EncodeQuotaState(again, &s); !bytes.Equal(again, b) {
				t.Errorf("state %+v is %x, was %x", s, again, b)
			}
		}
		if block, n, ok := DecodeSlotBlock(b); ok {
			if EncodeSlotBlock(again, block, n); !bytes.Equal(again, b) {
				t.Errorf("block %d with %d slots is %x, was %x", block, n, again, b)
			}
		}
		if len(b) >= AccountSlotSize {
			if _, i, ok := DecodeSlot(b, 1); ok && !sealed(b[i*AccountCopySize:(i+1)*AccountCopySize]) {
				t.Error("a copy with a wrong checksum counts")
			}
		}
		if e, rest, ok := NextEntry(b, 1<<30); ok && e.Kind == EntryAccount {
			if again := AppendAccountEntry(nil, e.Off, e.AccountChange()); len(again) > len(b)-len(rest) {
				t.Errorf("entry %+v is longer than it was", e)
			}
		}
	})
}

// TestSlots reads the copy that the head counts on.
func TestSlots(t *testing.T) {
	slot := make([]byte, AccountSlotSize)
	EncodeAccountCopy(slot, 7, Usage{10, 1})
	EncodeAccountCopy(slot[AccountCopySize:], 8, Usage{20, 2})
	for head, want := range map[uint64]int64{6: -1, 7: 10, 8: 20, 9: 20} {
		if u, _, ok := DecodeSlot(slot, head); ok != (want >= 0) || ok && u.Blocks != want {
			t.Errorf("as of head %d: %+v, %v, expected %d", head, u, ok, want)
		}
	}
	slot[AccountCopySize+20]++
	if u, i, ok := DecodeSlot(slot, 9); !ok || i != 0 || u.Inodes != 1 || SlotWhole(slot) {
		t.Errorf("with a torn copy: %+v of copy %d, %v", u, i, ok)
	}
}
