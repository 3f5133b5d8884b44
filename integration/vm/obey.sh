#!/bin/busybox sh
# Obeys the host: each line on the control line is "ID COMMAND"; the command's output goes back, and after it "@@END ID STATUS" on
# a line of its own. The kernel's command line names the terminal that is the control line (hostline=), which for all
# programs of the guest is /dev/host.
export PATH=/bin
# No echo and no line-end translation, so that the host reads what was written.
ln -s "$hostline" /dev/host
stty -F /dev/host raw -echo
exec </dev/host >/dev/host 2>&1
echo "@@READY $(uname -r)"
# In a shell of its own: a shell that is process 1, or is waited for by it, inherits the background processes that commands leave, and
# the end of one makes busybox forget what half of a line it had read.
(
	while read -r id command; do
		(eval "$command") </dev/null
		echo "@@END $id $?"
	done
)
