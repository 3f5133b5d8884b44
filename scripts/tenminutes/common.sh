# What the ten-minute paths share: a server that is started, a file that goes there and comes back by libnfs, and the time each step takes.
# Sourced, not run.
set -Eeuo pipefail

begun=$(date +%s%N)
doing="begin"
trap 'echo "FAILED: $doing: $BASH_COMMAND" >&2' ERR

# step TEXT COMMAND...: runs a command and says how long it took. The command stands alone: after `||` or `if`, bash would go on past
# everything that fails in a function but its last command. So it does past `a && b` that is not the last: each has a line of its own.
step() {
	local from
	doing=$1
	from=$(date +%s%N)
	shift
	"$@"
	printf '%6d ms  %s\n' $((($(date +%s%N) - from) / 1000000)) "$doing"
}

# free_port: a port of this machine on which nothing listens.
free_port() {
	local port
	for port in $(shuf -i 20000-60000 -n 100); do
		if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
			echo "$port"
			return
		fi
	done
	return 1
}

# answers PORT [LOG PID]: waits until something listens there, on a busy machine too, unless the server PID has ended. LOG is shown if
# nothing does.
answers() {
	local try
	for try in $(seq 3000); do
		(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
		[ -z "${3:-}" ] || kill -0 "$3" 2>/dev/null || break
		sleep 0.1
	done
	echo "nothing listens on port $1" >&2
	[ -z "${2:-}" ] || cat "$2" >&2
	return 1
}

# there_and_back PORT FOLDER: copies a file to the server and back, and compares.
there_and_back() {
	local options="version=3&nfsport=$1&mountport=$1"
	head -c 1000000 /dev/urandom >"$2/sent"
	nfs-cp "$2/sent" "nfs://127.0.0.1//hello?$options" >/dev/null
	nfs-cp "nfs://127.0.0.1//hello?$options" "$2/back" >/dev/null
	cmp "$2/sent" "$2/back"
}

# stop: ends $server as an operator does, and waits until it has.
stop() {
	kill -TERM "$server"
	local status=0
	wait "$server" || status=$?
	server=
	[ "$status" -eq 0 ] || {
		echo "the server ended with status $status" >&2
		return 1
	}
}

# done_with TEXT: the last line.
done_with() { printf '%6d ms  in all: %s\n' $((($(date +%s%N) - begun) / 1000000)) "$1"; }
