#!/bin/bash
# Runs every test of pmemfs in parts and ends with a summary. A part that fails
# does not stop the others, but the whole then fails. The parts can be named:
#
#   scripts/test.sh              all of them
#   scripts/test.sh unit style   only these
set -uo pipefail
cd "$(dirname "$0")/.."

# A checkout may belong to another user than the one who builds it; then git
# refuses to tell Go the revision, which no test needs.
export GOFLAGS="${GOFLAGS:-} -buildvcs=false"
# A bare environment has no home; Go's caches then go below the checkout.
if [ -z "${HOME:-}" ]; then
	export HOME="$PWD/.cache/home"
	mkdir -p "$HOME"
fi

gotestsum=gotest.tools/gotestsum@v1.13.0
results=$(mktemp -d)
export TEST_PMEMFS_TIMES=$results/times
trap 'rm -rf "$results"' EXIT

# packages lists the module's packages that match patterns, less integration and
# the crash tests, which are parts of their own.
packages() {
	local all
	all=$(go list "$@") || return
	grep -v -e '^pmemfs/integration' -e '^pmemfs/pmemfs/crashtest' <<<"$all"
}

# How long a package's tests may take before they count as hanging: ten times what they take on a quiet machine.
hang=90m

# go_test NAME ARGUMENTS...: go test through gotestsum, which keeps the count.
go_test() {
	local name=$1
	shift
	go run "$gotestsum" --format pkgname-and-test-fails --format-hide-empty-pkg --hide-summary skipped \
		--jsonfile "$results/$name.json" -- -timeout="$hang" "$@"
}

part_packages() { scripts/install.sh; }

part_build() { go build ./... && CGO_ENABLED=0 go build -trimpath -o bin/pmemfs ./cmd/pmemfs; }

# Every platform that the assembly and the build tags tell apart.
part_cross() {
	local target status=0
	for target in linux/arm64 linux/riscv64 darwin/arm64; do
		echo "building for $target"
		CGO_ENABLED=0 GOOS=${target%/*} GOARCH=${target#*/} go build -trimpath -o /dev/null ./cmd/pmemfs || status=1
	done
	return $status
}

part_unit() {
	local list
	list=$(packages ./...) && go_test unit $list
}
part_invariants() {
	local list
	list=$(packages ./pmemfs/... ./billyadapter ./server/nfs3 ./server/nlm) && go_test invariants -tags=invariants $list
}
part_race() {
	local list
	# Packages without goroutines and locks have nothing for the detector. Single tests leave themselves out: pmemfs/testpart.
	list=$(packages ./pmemfs/... ./server/... ./billyadapter/... | grep -vE '/internal/(layout|tree|dir|extent|data|xattr|check|repair)$') &&
		go_test race -race $list
}
# The states that a power cut may leave; then that every fence, flush and rule
# is missed when it is left out; then several writers under the race detector.
part_crash() { go_test crash ./pmemfs/crashtest; }
part_mutation() { go_test mutation -tags=mutation -run '^(TestMutations|TestKnownBugsAreSeen)$' ./pmemfs/crashtest; }
part_crashrace() { go_test crashrace -race -run '^TestWriters$' ./pmemfs/crashtest; }
# The build that times its locks.
part_locktimes() { go vet -tags=locktimes ./... && go_test locktimes -tags=locktimes -run 'Lock|Measure' ./pmemfs ./pmemfs/internal/critical ./cmd/pmemfs/...; }
part_style() { go_test style ./integration/style; }
part_integration() {
	if grep -qw amx_tile /proc/cpuinfo; then
		echo "the processor has AMX: User-mode Linux runs with a ptrace that widens its register sets (integration/uml/testdata/xstate.c)"
	else
		echo "the processor has no AMX: User-mode Linux sets its registers by itself"
	fi
	# A kernel keeps half a processor busy.
	go_test integration -p=1 -parallel=3 -count=1 -skip='^(TestSoak|TestRelease|TestChart)$' ./integration ./integration/harness ./integration/rawnfs ./integration/uml ./integration/qemu ./integration/vm ./integration/guest
}
# Five minutes of mixed clients, an operator and kills.
part_soak() { go_test soak -count=1 -run='^TestSoak$' ./integration; }
# The Helm chart, by helm, which has to be built first.
part_chart() { go_test chart -count=1 -run='^TestChart$' ./integration; }

# The release, twice, and what strangers do with it.
part_release() { go_test release -count=1 -run='^TestRelease$' ./integration; }

# count NAME PATTERN: how many events of a part match.
count() { grep -c "$2" "$results/$1.json" 2>/dev/null || true; }

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(packages build cross style unit invariants locktimes race integration soak release chart crash mutation crashrace)

# run PART: runs it, and leaves its line of the summary and its counts in $results.
run() {
	local part=$1 start=$SECONDS status passed failed skipped left verdict
	echo "=== $part"
	"part_$part" </dev/null
	status=$?
	passed=$(count "$part" '"Action":"pass".*"Test":') failed=$(count "$part" '"Action":"fail".*"Test":')
	skipped=$(count "$part" '"Action":"skip".*"Test":') left=$(count "$part" '"Action":"output".*: left to other parts: ')
	passed=${passed:-0} failed=${failed:-0} left=${left:-0} skipped=$((${skipped:-0} - ${left:-0}))
	if [ "$left" -gt 0 ]; then
		echo "left to other parts, by reason:"
		grep -o 'left to other parts: [a-z ]*' "$results/$part.json" | sed 's/.*: /  /' | sort | uniq -c
	fi
	# Whatever else is skipped was not tested at all.
	[ "$skipped" -eq 0 ] || status=1
	# A part that was to run tests and ran none is no success.
	[ -f "$results/$part.json" ] && [ "$passed" -eq 0 ] && status=1
	if [ $status -ne 0 ]; then
		# What did not even build has no failed test to count.
		[ "$failed" -gt 0 ] || failed=1
		verdict=FAILED
	else
		# A part that only builds counts as one.
		[ "$passed" -gt 0 ] || passed=1
		verdict=ok
	fi
	printf '%-14s %-7s %5d passed %4d failed %4d skipped %4d left to other parts %5d s\n' \
		"$part" "$verdict" "$passed" "$failed" "$skipped" "$left" $((SECONDS - start)) >"$results/$part.line"
	echo "$passed $failed" >"$results/$part.counts"
}

# beside NAME PARTS...: runs parts one after the other in the background, at a low priority. They are shown when all is done.
beside() {
	local name=$1 other
	shift
	(
		renice -n 10 $BASHPID >/dev/null
		for other in "$@"; do run "$other"; done
	) >"$results/$name.out" 2>&1 &
}

# Integration waits for guests and timers half of its time. Beside it run what waits too, and what only computes.
waits=() computes=() alone=()
for part in "${parts[@]}"; do
	case $part in
	soak | release | chart) waits+=("$part") ;;
	crash | mutation | crashrace) computes+=("$part") ;;
	*) alone+=("$part") ;;
	esac
done
if ! [[ " ${alone[*]} " == *" integration "* ]]; then
	alone+=("${waits[@]}" "${computes[@]}") waits=() computes=()
fi
for part in "${alone[@]}"; do
	if [ "$part" = integration ]; then
		beside waits "${waits[@]}"
		beside computes "${computes[@]}"
	fi
	run "$part"
done
wait
cat "$results"/{waits,computes}.out 2>/dev/null || true

passed_all=0 failed_all=0 summary=()
for part in "${parts[@]}"; do
	# A part without a line was ended from outside.
	read -r passed failed <"$results/$part.counts" || { passed=0 failed=1; echo "$part did not end" >"$results/$part.line"; }
	passed_all=$((passed_all + passed)) failed_all=$((failed_all + failed))
	summary+=("$(cat "$results/$part.line")")
done

if [ -f "$TEST_PMEMFS_TIMES" ]; then
	echo "=== the first ten minutes"
	cat "$TEST_PMEMFS_TIMES"
fi
echo "=== summary"
printf '%s\n' "${summary[@]}"
echo "total time $SECONDS s"
echo "$passed_all passed, $failed_all failed"
[ "$failed_all" -eq 0 ]
