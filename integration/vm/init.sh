#!/bin/busybox sh
# Process 1 of the guest. It prepares an ordinary small Linux and then obeys
# the host: each line on the control line is "ID COMMAND"; the command's
# output goes back, and after it "@@END ID STATUS" on a line of its own. The
# kernel's command line names the terminal that is the control line (hostline=),
# which for all programs of the guest is /dev/host.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs -o mode=1777 tmp /tmp
while read -r module; do
	insmod "$module" || echo "init: cannot load $module"
done </modules/order
ip link set lo up
# The kernel's command line may name the guest, and give it an address on a network of the host's.
[ -z "$guestname" ] || echo "$guestname" >/proc/sys/kernel/hostname
dev=eth0
[ -e /sys/class/net/vec0 ] && dev=vec0
ip addr add "${guestaddr:-10.0.2.15/24}" dev $dev
ip link set $dev up
[ -n "$guestaddr" ] || ip route add default via 10.0.2.2
# No echo and no line-end translation, so that the host reads what was written.
ln -s "$hostline" /dev/host
stty -F /dev/host raw -echo
exec </dev/host >/dev/host 2>&1
echo "@@READY $(uname -r)"
# In a shell of its own: process 1 inherits the background processes that
# commands leave, and the end of one makes busybox forget what half of a line
# it had read.
(
	while read -r id command; do
		(eval "$command") </dev/null
		echo "@@END $id $?"
	done
)
# The host has closed the line, where a line can be closed: it is done with us.
poweroff -f
