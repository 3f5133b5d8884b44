#!/bin/busybox sh
# Process 1 of the guest. It prepares an ordinary small Linux and then obeys the host.
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
# It may also have options with which to mount a root by 9P. What is here was the first part of the boot then, and the root's
# own init does the rest.
if [ -n "$root9p" ]; then
	if mount -t 9p -o "$root9p" 10.0.2.2 /mnt; then
		umount /tmp /dev /sys /proc
		exec switch_root /mnt /sbin/init
	fi
	echo "init: no root by 9P with $root9p"
	poweroff -f
fi
# Or its root is the host's own system, on which nothing is written: what changes is in memory. systemd runs it then, with what is in /add.
if [ -n "$roothost" ]; then
	mkdir /lower /upper
	mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,cache=loose,ro host /lower && mount -t tmpfs upper /upper &&
		mkdir /upper/new /upper/work && mount -t overlay -o lowerdir=/lower,upperdir=/upper/new,workdir=/upper/work overlay /mnt || poweroff -f
	cp -a /add/. /mnt/
	cp /obey /mnt/obey
	# A machine of its own, with the users and without the services, disks and network of the host.
	rm -f /mnt/.dockerenv /mnt/run/.containerenv /mnt/usr/sbin/policy-rc.d /mnt/etc/fstab /mnt/etc/machine-id /mnt/etc/systemd/system/*.wants/*
	: >/mnt/etc/machine-id
	printf '[Unit]\nAfter=basic.target\n[Service]\nEnvironment=hostline=%s\nExecStart=/bin/busybox sh /obey\n' "$hostline" >/mnt/etc/systemd/system/obey.service
	# What takes long, and looks at the host's files or devices.
	for unit in systemd-tmpfiles-setup systemd-update-utmp systemd-udevd systemd-udev-trigger ldconfig systemd-hwdb-update systemd-journal-catalog-update; do
		ln -sf /dev/null "/mnt/etc/systemd/system/$unit.service"
	done
	umount /tmp /dev /sys /proc
	exec switch_root /mnt /lib/systemd/systemd --unit=obey.service --log-target=journal --show-status=no
fi
sh /obey
# The host has closed the line, where a line can be closed: it is done with us.
poweroff -f
