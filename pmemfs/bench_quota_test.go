package pmemfs

import "testing"

// withQuotas gives a filesystem accounts with limits: of a user, whom all files of the benchmark belong to, of the group, and of the tree.
func withQuotas(b *testing.B, fs *FS) {
	b.Helper()
	for _, err := range []error{
		fs.SetQuota(QuotaUser, 7, QuotaLimits{HardBytes: 1 << 50, SoftFiles: 1 << 40}), fs.SetQuota(QuotaGroup, 7, QuotaLimits{HardBytes: 1 << 50}),
	} {
		if err != nil {
			b.Fatal(err)
		}
	}
	if _, err := fs.SetTreeQuota(fs.Root(), QuotaLimits{HardBytes: 1 << 50}); err != nil {
		b.Fatal(err)
	}
	for st, err := fs.QuotaStatus(); st.Counting; st, err = fs.QuotaStatus() {
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkQuotas appends blocks, writes over them, and makes and removes files, without accounts and with those of a user, a group and a tree.
func BenchmarkQuotas(b *testing.B) {
	for _, quotas := range []bool{false, true} {
		name := map[bool]string{false: "without", true: "with"}[quotas]
		prepare := func(b *testing.B) (*FS, *Cred, Handle) {
			fs, c, h := benchFile(b)
			for _, x := range []Handle{fs.Root(), h} {
				if _, err := fs.Setattr(c, nil, x, &SetAttr{Mask: SetUID | SetGID, UID: 7, GID: 7}); err != nil {
					b.Fatal(err)
				}
			}
			if quotas {
				withQuotas(b, fs)
			}
			return fs, &Cred{UID: 7, GID: 7}, h
		}
		p := make([]byte, 4096)
		b.Run("append/"+name, func(b *testing.B) {
			fs, c, h := prepare(b)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				if i%32768 == 0 {
					if _, err := fs.Setattr(c, nil, h, &SetAttr{Mask: SetSize}); err != nil {
						b.Fatal(err)
					}
				}
				if _, _, err := fs.Write(c, nil, h, p, uint64(i%32768)*4096); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("overwrite/"+name, func(b *testing.B) {
			fs, c, h := prepare(b)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				if _, _, err := fs.Write(c, nil, h, p, uint64(i*7%4096)*4096); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("create and unlink/"+name, func(b *testing.B) {
			fs, c, _ := prepare(b)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				if _, err := fs.Create(c, nil, fs.Root(), []byte("x"), &CreateOptions{}); err != nil {
					b.Fatal(err)
				}
				if err := fs.Unlink(c, nil, fs.Root(), []byte("x")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
