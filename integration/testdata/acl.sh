#!/bin/busybox sh
# Works with access control lists below a folder, as several users, and prints for each case a line with its name, what it
# says, and a line with its status. Run on two filesystems it shows in what they differ. Nothing printed depends on the folder.
cd "$1" || exit 1
umask 022

# say NAME COMMAND...: a case that root carries out.
say() {
	echo "@@CASE $1"
	shift
	"$@" 2>&1
	echo "status $?"
}
# user NAME FD UID GROUPS: starts a shell of a user that takes commands on descriptor FD and answers on the next one.
user() {
	mkfifo -m 666 /tmp/$1.in /tmp/$1.out
	guest as $3 $4 sh -c 'while read -r line; do (eval "$line") 2>&1; echo "status $?"; echo @@DONE; done' </tmp/$1.in >/tmp/$1.out &
	eval "exec $2>/tmp/$1.in $(($2 + 1))</tmp/$1.out"
	rm /tmp/$1.in /tmp/$1.out
}
# ask FD COMMAND
ask() {
	echo "$2" >&$1
	while read -r line <&$(($1 + 1)) && [ "$line" != @@DONE ]; do echo "$line"; done
}
# as USER NAME COMMAND: a case that a user carries out.
as() {
	echo "@@CASE $2 by $1"
	case $1 in
	alice) ask 3 "$3" ;;
	bob) ask 5 "$3" ;;
	carol) ask 7 "$3" ;;
	dave) ask 9 "$3" ;;
	esac
}
acl() { getfacl -n -p -E "$@"; }
everybody() { for user in alice bob carol dave; do as $user "$1" "$2"; done; }
open() { everybody "$1: read" "cat $2"; everybody "$1: append" "echo x >>$2"; }

mkdir -m 1777 w
cd w || exit 1
user alice 3 1000 1000
user bob 5 1001 1001
user carol 7 1002 1002,2000
user dave 9 1003 1003,2000,2001
as alice "files" 'echo content >f; mkdir d; echo inside >d/old; printf "#!/bin/sh\\necho ran\\n" >run; chmod 640 f; chmod 700 run d'

say "no list" acl f d
as bob "set, of another" "setfacl -m u:1001:rwx f"
say "still none" acl f
as alice "set a user" "setfacl -m u:1001:rw f"
say "list" acl f
say "mode" stat -c %a f
open "user" f
as alice "mask" "setfacl -m m::r f"
say "masked" acl f
open "masked" f
as alice "chmod 660" "chmod 660 f"
say "mode follows" acl f
open "chmod 660" f
as alice "chmod 604" "chmod 604 f; stat -c %a f"
say "mode 604" acl f
as alice "groups" "setfacl -m g:2000:r,g:2001:w,m::rw,o::- f"
say "groups" acl f
open "groups" f
as alice "deny a user and a group" "setfacl -b f; setfacl -m u:1001:-,g:2000:-,o::rw f"
say "denied" acl f
open "denied" f
as alice "remove a user" "setfacl -x u:1001 f"
open "removed" f
say "root sets" setfacl -m u:1002:rwx f
say "root's" acl f
as carol "removed by who is in it" "setfacl -b f"
as alice "removed" "setfacl -b f"
say "none again" acl f
say "mode again" stat -c %a f
as alice "a mask alone" "setfacl -m m::rw,g::r f"
say "only a mask" acl f
as alice "removed again" "setfacl -b f"

everybody "run, mode 700" ./run
as alice "may run" "setfacl -m u:1001:rx,g:2001:rx run"
everybody "run" ./run
as alice "may run no more" "setfacl -m u:1001:r run"
as bob "run without x" ./run

everybody "closed folder" "ls d"
as alice "search" "setfacl -m u:1001:x,u:1002:rx,u:1003:rwx d"
say "folder" acl d
everybody "list" "ls d"
everybody "look" "cat d/old"
everybody "make" 'echo new >d/$(id -u)'
everybody "rename" 'mv d/old d/$(id -u)b && mv d/$(id -u)b d/old'
everybody "remove" "rm d/1003"
as alice "write without search" "setfacl -m u:1003:rw d"
as dave "write without search" "echo new >d/2"
as alice "halves from two groups" "setfacl -b d; setfacl -m g:2000:x,g:2001:w d"
as dave "halves from two groups" "echo new >d/3"

as alice "default" "mkdir i; setfacl -d -m u::rwx,u:1001:rwx,g::rx,g:2000:r,o::- i"
say "default" acl i
as alice "inherit" "umask 077; echo x >i/f; mkdir i/d; mkdir -m 750 i/m; echo y >i/d/f; mkfifo i/p; ln -s f i/s; echo z >i/x; chmod 755 i/x"
say "inherited" acl i/f i/d i/d/f i/p i/x i/m
say "modes" stat -c "%n %a" i/f i/d i/d/f i/p i/x i/m
everybody "inherited read" "cat i/f"
as alice "others may look in" "setfacl -m o::x,u:1001:rwx,g:2000:x i"
everybody "read" "cat i/f"
everybody "append" "echo x >>i/f"
everybody "list" "ls i/d"
as bob "make below" "umask 000; echo x >i/b; mkdir i/bd; stat -c %a i/b i/bd"
say "made below" acl i/b i/bd
as bob "default of another" "setfacl -k i"
as alice "no default" "setfacl -k i"
say "no default" acl i
as alice "inherit nothing" "umask 027; echo x >i/n; stat -c %a i/n"
say "inherited nothing" acl i/n
as alice "a bare default" "setfacl -d -m u::rw,g::r,o::- i; umask 000; echo x >i/bare; mkdir i/bared; stat -c %a i/bare i/bared"
say "bare" acl i/bare i/bared
as alice "default of a file" "setfacl -d -m u:1001:r f"

as alice "names" "setfacl -m u:1001:rw f; ln f hard; mv f moved; echo x >over; mv over hard2"
say "kept by names" acl moved hard
say "chown" chown 1001:1001 moved
say "kept by chown" acl moved
as alice "lost with the owner" "setfacl -b moved"
say "setgid" sh -c "chown 1000:2000 run; chmod 2750 run"
as alice "set by who is not in the group" "setfacl -m u:1001:rx run; stat -c %a run"
say "setgid folder" sh -c "mkdir g; chown 1000:2000 g; chmod 2770 g; setfacl -d -m g:2001:rwx g"
as carol "made in it" "umask 002; mkdir g/sub; echo x >g/sub/f; stat -c '%n %g %a' g/sub g/sub/f"
say "made in it" acl g/sub g/sub/f

entries=u:0:r
for n in $(seq 3000 3080); do entries=$entries,u:$n:r,g:$n:x; done
entries=$(echo $entries | cut -d , -f 1-120)
as alice "many" "echo x >many; setfacl -m $entries many; getfacl -n -c many | wc -l"
say "many" acl many
say "attribute by name" sh -c "acl=\$(getfacl -n -c moved); echo \"\$acl\" | setfacl -M - hard2; getfacl -n -c hard2"
say "backup" sh -c "getfacl -R -n . >/tmp/backup; setfacl -R -b -k i g d; setfacl --restore=/tmp/backup; getfacl -R -n . | cmp - /tmp/backup"
cd ..
