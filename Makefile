# The commands of this project. `make test` is the one that has to pass.

SHELL := /bin/bash
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: all build chart-schemas reference test bench bench-guest bench-docs bench-locks bench-server pictures crash fuzz soak soak-wild release release-check fmt lint clean

all: build

# One static binary, bin/pmemfs.
build:
	CGO_ENABLED=0 go build -trimpath -o bin/pmemfs ./cmd/pmemfs

# Installs what a bare Debian 12 with Go lacks, builds for every platform, and
# runs every test: units, the same with invariants and with the race detector,
# crash states, style, kernel client, container. Ends with a summary.
test:
	scripts/test.sh

BENCHFLAGS ?=

# The engine's nanoseconds, fences and flushed lines per operation.
bench: build
	bin/pmemfs bench engine $(BENCHFLAGS)

# The engine beside ext4 and xfs with DAX, and the server beside the kernel's own NFS server, in an emulated PC with persistent memory.
# It needs the packages of scripts/packages.txt. TABLES is the folder where the tables go.
TABLES ?= .cache/tables
bench-guest:
	mkdir -p $(TABLES)
	TEST_PMEMFS_BENCH_TABLES=$(abspath $(TABLES)) go test ./integration -count=1 -timeout=0 -run '^TestBenchGuest$$'
	for name in dirtest engine durable server; do echo; cat $(TABLES)/$$name.md || exit 1; done

# Overwrites all tables and plots of docs/performance.md with new ones, in ten to fifteen minutes on a quiet machine. DISK is a folder on
# a disk, MEMORY one on a tmpfs.
DISK ?= .cache
MEMORY ?= /dev/shm
SERVERS = bin/benchserver --dir $(MEMORY) --conns 1 --depths 1,16 --cell 100ms --markdown
bench-docs: build bench-guest
	mkdir -p $(DISK)
	CGO_ENABLED=0 go build -trimpath -o bin/benchserver ./cmd/benchserver
	scripts/table.sh server-nfs $(SERVERS) --svg docs/bench-server.svg
	scripts/table.sh server-9p $(SERVERS) --protocol 9p --svg docs/bench-9p.svg
	scripts/table.sh engine bin/pmemfs bench engine --compare $(MEMORY) --rounds 15 --markdown
	scripts/table.sh parallel bin/pmemfs bench engine --parallel 2 --compare $(MEMORY) --rounds 15 --markdown
	scripts/table.sh dirtest bin/pmemfs bench dirtest --parallel 2 --compare $(MEMORY) --compare $(DISK) --markdown
	scripts/table.sh durable bin/pmemfs bench durable $(DISK) --rounds 15 --large 16 --small 100 --markdown
	scripts/table.sh locks go run -tags locktimes ./cmd/pmemfs bench locks --markdown --sums
	scripts/table.sh locks-flush go run -tags locktimes ./cmd/pmemfs bench locks --markdown --sums --domain cache-flush
	for name in dirtest engine durable server; do scripts/table.sh guest-$$name cat $(TABLES)/$$name.md || exit 1; done

# How often each lock of the engine is taken and how long it is held, and what that allows 16 and 64 processors.
bench-locks:
	CGO_ENABLED=0 go run -trimpath -tags locktimes ./cmd/pmemfs bench locks $(BENCHFLAGS)

# NFS servers as ratios to what the socket allows: ours, and as root those of Debian's packages nfs-ganesha, nfs-ganesha-mem,
# nfs-ganesha-vfs and rpcbind, where they are installed. With BENCHFLAGS='--protocol 9p' those of 9P: ours, the Go library's, and
# Debian's package diod. With BENCHFLAGS='--base PATH' this build beside an older one. BENCHFLAGS are those of the command.
bench-server: build
	CGO_ENABLED=0 go build -trimpath -o bin/benchserver ./cmd/benchserver
	bin/benchserver $(BENCHFLAGS)

# Cuts the schemas by which the chart's manifests are checked out of what Kubernetes and the operator of Prometheus publish.
kubernetes := k8s.io/kubernetes@v1.37.2
operator := github.com/prometheus-operator/prometheus-operator@v0.85.0
chart-schemas:
	go mod download $(kubernetes) $(operator)
	modules=$$(go env GOMODCACHE) && crds=$$modules/$(operator)/example/prometheus-operator-crd/monitoring.coreos.com && \
		go run ./integration/chart/cut $$modules/$(kubernetes)/api/openapi-spec/swagger.json integration/chart/schemas \
		$${crds}_servicemonitors.yaml $${crds}_prometheusrules.yaml

# Writes docs/reference.md, the pages of the manual in deploy/man and the completions in deploy/completions as the command line is now.
reference:
	go test ./cmd/pmemfs -count=1 -run '^TestReference$$' -args -make-reference

# The pictures of the status page in docs, narrow and wide, light and dark. It needs Chromium.
pictures:
	TEST_PMEMFS_PICTURES=$(abspath docs) go test ./integration -count=1 -run '^TestPagePictures$$'

# Crash states for CRASHTIME, then KILLS kills of a server. The time is counted over all runs: it goes on where the last one
# ended. Remove .cache/crash.json, or set CRASHSEED, to begin anew.
CRASHTIME ?= 1h
CRASHSEED ?= 1
KILLS ?= 2000
crash:
	mkdir -p .cache
	TEST_PMEMFS_THOROUGH=1 go test ./pmemfs -run '^TestRepair'
	go test -tags crashlong ./pmemfs/crashtest -run '^TestLong$$' -v -timeout 0 \
		-args -crash.for=$(CRASHTIME) -crash.seed=$(CRASHSEED) -crash.progress=$(CURDIR)/.cache/crash.json
	TEST_PMEMFS_KILLS=$(KILLS) go test ./integration -count=1 -timeout=0 -run 'TestKillLoop(NVDIMM)?$$' -v

# Each fuzz target for FUZZTIME, on one core, with the number of executions. A
# normal test run has their seeds only.
FUZZTIME ?= 60s
FUZZ = ./archive/tarball:FuzzReader ./archive:FuzzImport ./pmemfs:FuzzOpen ./pmemfs:FuzzCheck ./pmemfs:FuzzRepair ./pmemfs:FuzzScrub ./pmemfs:FuzzSnapshotImages ./pmemfs/internal/recovery:FuzzRecord \
	./pmemfs/internal/layout:FuzzNextEntry ./pmemfs/internal/layout:FuzzNode ./pmemfs/internal/layout:FuzzSuperblock ./pmemfs/internal/layout:FuzzAccounts ./pmemfs/internal/layout:FuzzSnapshot \
	./server/rpc:FuzzRecords ./server/rpc:FuzzReply ./server/rpc:FuzzXDR ./server/rpc:FuzzParseCall ./server/nfs3:FuzzArguments \
	./server/nfs3:FuzzACL ./server/mount3:FuzzServe ./server/handle:FuzzDecode ./server/config:FuzzParse \
	./server/rpc:FuzzParseReply ./server/portmap:FuzzServe ./server/rquota:FuzzServe ./server/nlm:FuzzServe ./server/nsm:FuzzRecord ./server/peer:FuzzPort ./server/ninep:FuzzMessages ./server/ninep:FuzzConnections
fuzz:
	for target in $(FUZZ); do \
		echo "== $$target"; \
		go test $${target%:*} -run '^$$' -fuzz "^$${target#*:}\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x -parallel 1 || exit 1; \
	done

# A server for SOAKTIME under mixed clients and an operator, with kills: what it takes stays what it was, and nothing is lost.
SOAKTIME ?= 1h
soak:
	TEST_PMEMFS_SOAK=$(SOAKTIME) go test ./integration -count=1 -timeout=0 -run '^TestSoak$$' -v

# Clients of NFS with its companions, and of 9P, that send what they like and go at any moment, each for WILDTIME under the race detector;
# and a database of two clients under a snapshot a second, for a minute.
WILDTIME ?= 10m
soak-wild:
	TEST_PMEMFS_SOAK=$(WILDTIME) go test -race ./server -count=1 -timeout=0 -run '^TestSoak$$' -v
	TEST_PMEMFS_SOAK=$(WILDTIME) go test -race ./server/ninep -count=1 -timeout=0 -run '^TestSoak$$' -v
	TEST_PMEMFS_SNAPSHOT_COUNT=60 go test ./integration -count=1 -timeout=0 -run '^TestSnapshotSQLite$$' -v

# The archives, packages, SBOMs and checksums of a release, in OUT, which must not be there yet: make release VERSION=0.1.0
OUT ?= dist
release:
	scripts/release.sh "$(VERSION)" "$(OUT)"

# The same made twice from two checkouts, which must be equal; and the ten minutes of a stranger with each.
release-check:
	go test ./integration -count=1 -timeout=0 -run '^TestRelease$$' -v

fmt:
	gofmt -w $$(git ls-files '*.go')

lint:
	go vet ./...
	go run $(STATICCHECK) ./...
	go mod tidy -diff

clean:
	rm -rf bin .cache
