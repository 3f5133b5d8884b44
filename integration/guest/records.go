package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A record is recordSize bytes: file number, sequence number, filler that
// depends on both, CRC-32C. A torn, lost or misplaced record shows.
const recordSize = 1500 // no divisor of a block: most records cross one edge or another

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func record(file, seq int) []byte {
	data := fill(recordSize, uint64(file)<<32|uint64(seq))
	binary.LittleEndian.PutUint32(data, uint32(file))
	binary.LittleEndian.PutUint32(data[4:], uint32(seq))
	end := recordSize - 4
	binary.LittleEndian.PutUint32(data[end:], crc32.Checksum(data[:end], castagnoli))
	return data
}

func recordsName(dir string, file int) string {
	return filepath.Join(dir, fmt.Sprintf("records-%d", file))
}

// writeRecords appends records to several files in turn, each followed by
// fsync, and says "ACK file seq" after it: the server has promised that record.
// It also makes one folder per round, so that namespace operations are cut as
// well as writes. It ends when stop exists.
func writeRecords(args []string) error {
	dir, stop := args[0], args[2]
	count, err := number(args[1])
	if err != nil {
		return err
	}
	files := make([]*os.File, count)
	for i := range files {
		if files[i], err = os.Create(recordsName(dir, i)); err != nil {
			return err
		}
		defer files[i].Close()
	}
	for seq := 0; ; seq++ {
		if _, err := os.Stat(stop); err == nil {
			break
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for i, f := range files {
			if _, err := f.Write(record(i, seq)); err != nil {
				return fmt.Errorf("record %d of file %d: write: %w", seq, i, err)
			}
			if err := f.Sync(); err != nil {
				return fmt.Errorf("record %d of file %d: fsync: %w", seq, i, err)
			}
			fmt.Printf("ACK %d %d\n", i, seq)
		}
		// A MKDIR that is repeated because the server died before it could reply
		// finds its own folder, unless the server remembers replies.
		err := os.Mkdir(filepath.Join(dir, fmt.Sprintf("round-%d", seq)), 0o755)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("round %d: %w", seq, err)
		}
		fmt.Printf("ACK round %d\n", seq)
	}
	for i, f := range files {
		if err := f.Close(); err != nil {
			return fmt.Errorf("close of file %d: %w", i, err)
		}
	}
	fmt.Println("WRITER ended well")
	return nil
}

// countRecords checks every record of every file against what was written
// and prints "have file count" per file and "have round count".
func countRecords(args []string) error {
	count, err := number(args[1])
	if err != nil {
		return err
	}
	for i := range count {
		n, err := checkRecords(recordsName(args[0], i), i)
		if err != nil {
			return err
		}
		fmt.Println("have", i, n)
	}
	rounds, err := filepath.Glob(filepath.Join(args[0], "round-*"))
	if err != nil {
		return err
	}
	fmt.Println("have round", len(rounds))
	return nil
}

func checkRecords(path string, file int) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	got := make([]byte, recordSize)
	for seq := 0; ; seq++ {
		n, err := io.ReadFull(f, got)
		if err == io.EOF {
			return seq, nil
		}
		if err == io.ErrUnexpectedEOF && bytes.Equal(got[:n], record(file, seq)[:n]) {
			// The server died between the two WRITEs of one record, which crosses a page.
			fmt.Fprintf(os.Stderr, "%s: %d bytes of record %d, not acknowledged\n", path, n, seq)
			return seq, nil
		}
		if err != nil {
			return seq, fmt.Errorf("%s: record %d has %d bytes: %w", path, seq, n, err)
		}
		if !bytes.Equal(got, record(file, seq)) {
			return seq, fmt.Errorf("%s: record %d is wrong", path, seq)
		}
	}
}
