package config_test

// syntaxMistakes are about what is no TOML, or is there twice.
var syntaxMistakes = []mistake{
	{"image = 'a'\nimage = 'b'", "f:2: image: the key is there already, on line 1"},
	{"[[export]]\nname = '/'\nname = '/b'", "f:3: export.name: the key is there already, on line 2"},
	{"[limits]\n[limits]", "f:2: limits: the table is there already, on line 1"},
	{"image = 'a'\n[[image]]\npath = 'b'", "f:2: image: it is text in quotes already, on line 1"},
	{"[[export]]\nname = 'a'\n[[export]]", "f:2: export.name: \"a\" is not an absolute, cleaned path of at most 1024 bytes; did you mean \"/a\"?"},
	{"[[export]]\n[export]", "f:2: export: it is a list of tables already, on line 1"},
	{"image = 'a", "f:1: image: unterminated literal string"},
	{"\n\n=", "f:3: syntax: invalid character at start of key: U+003D '='"},
	{"nfs 2049", "f:1: syntax: expected '=' after key"},
	{"read_only = yes", "f:1: read_only: it is true or false"},
	{"nfs = 127.0.0.1:2049", "f:1: nfs: text stands in quotes"},
	{"size = 64GiB", "f:1: size: text stands in quotes"},
	{"c2VjcmV0dG9rZW4xMjM0NTY3OA==", "f:1: syntax: unexpected character U+003D '=' at start of value"},
	{"hunter2==", "f:1: syntax: unexpected character U+003D '=' at start of value"},
	{"tok[secret", "f:1: syntax: expected '=' after key"},
	{"39b61a0f7c", "f:1: syntax: expected '=' after key"},
	{"\xef\xbb\xbfnfs 2049", "f:1: syntax: expected '=' after key"},
	{"image = \"a\\q\"", "f:1: image: invalid escape character U+0071 'q'"},
	{"image = 'x' 'y'", "f:1: image: expected newline but got U+0027 '''"},
	{"nfs = '127.0.0.1:1'\n\x01", "f:2: syntax: invalid character at start of key: U+0001"},
	{"[[quota]]\nuser = 'a'\nfiles = 1\n[[quota]]\nuser = 'a'\nfiles = 2", "f:4: quota: user a has a quota already, on line 1"},
	{"[[image]]\npath = 'a'\n[[image]]\npath = './a'", "f:4: image.path: another image has \"./a\" already, on line 2"},
	{"[[image]]\npath = 'a'\ncontrol = '/s'\n[[image]]\npath = 'b'\ncontrol = '/s'",
		"f:6: image.control: another image has \"/s\" already, on line 3"},
}

// variablesMistakes are about variables of the environment.
var variablesMistakes = []mistake{
	{"image = '${NOT_SET}'", "f:1: image: the environment variable NOT_SET is not set"},
	{"image = '${EMPTY}'", "f:1: image: the environment variable EMPTY is empty"},
	{"image = '/x/${}'", "f:1: image: \"${}\" is no variable: write ${NAME}, or $${ for the two characters"},
	{"image = '/x/${SET'", "f:1: image: \"${SET\" is no variable: write ${NAME}, or $${ for the two characters"},
	{"[[export]]\nclients = ['${NOT_SET}']", "f:2: export.clients: the environment variable NOT_SET is not set"},
	{"durability = '${SET}'", "f:1: durability: durability is power or process, not \"maybe\""},
}

// schedulesMistakes are about schedules of snapshots.
var schedulesMistakes = []mistake{
	{"snapshots = 'hidden'", "f:1: snapshots: each begins with [[snapshots]], in two brackets"},
	{"[[snapshots]]\nkeep = {last = 1}", "f:1: snapshots.every: it has no default: say it"},
	{"[[snapshots]]\nevery = '15m'", "f:1: snapshots.keep: it has no default: say it"},
	{"[[snapshots]]\nevery = 15\nkeep = {last = 1}", "f:2: snapshots.every: text in quotes is wanted, not a whole number"},
	{"[[snapshots]]\nevery = '1d'\nkeep = {last = 1}",
		"f:2: snapshots.every: \"1d\" is no time: it is such as \"45s\"; did you mean \"24h\"?"},
	{"[[snapshots]]\nkeep = {last = 1}\nevery = '500ms'",
		"f:3: snapshots.every: the time between two snapshots is given in whole seconds, at least 1s"},
	{"[[snapshots]]\nevery = '-1h'\nkeep = {last = 1}",
		"f:2: snapshots.every: the time between two snapshots is given in whole seconds, at least 1s"},
	{"[[snapshots]]\nevery = ''\nkeep = {last = 1}", "f:2: snapshots.every: empty: leave the key out for the default"},
	{"[[snapshots]]\nevery = '1h'\nkeep = {}",
		"f:3: snapshots.keep: nothing is kept: give last, hourly, daily, weekly, monthly or yearly"},
	{"[[snapshots]]\nevery = '1h'\n[snapshots.keep]",
		"f:3: snapshots.keep: nothing is kept: give last, hourly, daily, weekly, monthly or yearly"},
	{"[[snapshots]]\nevery = '1h'\nkeep = {daily = 0}",
		"f:3: snapshots.keep.daily: a number of snapshots to keep is from 1 to 4095, not 0"},
	{"[[snapshots]]\nevery = '1h'\nkeep = {daily = 4096}",
		"f:3: snapshots.keep.daily: a number of snapshots to keep is from 1 to 4095, not 4096"},
	{"[[snapshots]]\nevery = '1h'\nkeep = {daily = '7'}", "f:3: snapshots.keep.daily: a whole number is wanted, not text in quotes"},
	{"[[snapshots]]\nevery = '1h'\nkeep = 7", "f:3: snapshots.keep: it is a table, which begins with [snapshots.keep]"},
	{"[[snapshots]]\nevery = '1h'\nkeep = {last = 4000, daily = 96}",
		"f:3: snapshots.keep: all schedules together keep more than the 4095 snapshots that an image has room for beside a new one"},
	{"[[snapshots]]\nprefix = ''\nevery = '1h'\nkeep = {last = 1}", "f:2: snapshots.prefix: empty: leave the key out for the default"},
	{"[[snapshots]]\nprefix = 'a b'\nevery = '1h'\nkeep = {last = 1}",
		"f:2: snapshots.prefix: a name of a snapshot begins neither with - nor with ., and has no spaces, control characters, /, @ and :, and up to 255 bytes with its time"},
	{"[[snapshots]]\nevery = '15m'\nkeep = {hourly = 24}\n\n[[ snapshots ]] # again\nevery = '1h'\nkeep = {daily = 1}",
		"f:5: snapshots.prefix: two schedules have the same prefix: \"auto-\""},
	{"[[snapshots]]\nevery = '1d'\nkeep = {}",
		"f:2: snapshots.every: \"1d\" is no time: it is such as \"45s\"; did you mean \"24h\"?\nf:3: snapshots.keep: nothing is kept: give last, hourly, daily, weekly, monthly or yearly"},
	{"[[snapshots]]\nevery = '0s'\nkeep = {lst = 2}",
		"f:2: snapshots.every: the time between two snapshots is given in whole seconds, at least 1s\nf:3: snapshots.keep.lst: unknown key; did you mean last?"},
	{"[[snapshots]]\nevery = 1\nkeep = {last = 1}\n[[snapshots]]\nevery = '1s'\nprefix = 'a b'\nkeep = {last = 1}\n[[snapshots]]\nevery = '0s'\nkeep = {}",
		"f:2: snapshots.every: text in quotes is wanted, not a whole number\nf:6: snapshots.prefix: a name of a snapshot begins neither with - nor with ., and has no spaces, control characters, /, @ and :, and up to 255 bytes with its time\nf:8: snapshots.prefix: two schedules have the same prefix: \"auto-\"\nf:9: snapshots.every: the time between two snapshots is given in whole seconds, at least 1s\nf:10: snapshots.keep: nothing is kept: give last, hourly, daily, weekly, monthly or yearly"},
	{"[snapshots]\nevery = '1h'", "f:1: snapshots: each begins with [[snapshots]], in two brackets"},
}

// quotasMistakes are about quotas.
var quotasMistakes = []mistake{
	{"[[quota]]\nbytes = '1GiB'", "f:1: quota: say whose it is: one of user, group and path"},
	{"[[quota]]\nuser = 'a'\ngroup = 'b'\nfiles = 1", "f:1: quota: say whose it is: one of user, group and path"},
	{"[[quota]]\nuser = 1000", "f:1: quota: it limits nothing: say bytes, soft_bytes, files or soft_files\nf:2: quota.user: text in quotes is wanted, not a whole number"},
	{"[[quota]]\nuser = 'a b'\nfiles = 1", "f:2: quota.user: \"a b\" is neither the name nor the number of a user"},
	{"[[quota]]\nuser = '4294967295'\nfiles = 1", "f:2: quota.user: 4294967295 is no number of a user"},
	{"[[quota]]\nuser = 'a'", "f:1: quota: it limits nothing: say bytes, soft_bytes, files or soft_files"},
	{"[[quota]]\nuser = 'a'\nbytes = '1GiB'\nsoft_bytes = '2GiB'", "f:4: quota.soft_bytes: a soft limit above the hard one, 1GiB"},
	{"[[quota]]\nuser = 'a'\nfiles = 1\nsoft_files = 2", "f:4: quota.soft_files: a soft limit above the hard one, 1"},
	{"[[quota]]\npath = '/a'\nuser = 'a'\nsoft_bytes = 'zz'",
		"f:1: quota: say whose it is: one of user, group and path\nf:4: quota.soft_bytes: \"zz\" is not a size: give a number of bytes, such as 64GiB, 512MiB or 4096"},
	{"[[quota]]\nusr = 'a'\nfiles = 1", "f:2: quota.usr: unknown key; did you mean user?"},
	{"[[quota]]\nuser = 'a'\nbytes = '1GiB'\nsoft_bytes = '2GiB'\nfiles = 1\nsoft_files = 2\n[[quota]]\nuser = 'a'\nfiles = 1",
		"f:4: quota.soft_bytes: a soft limit above the hard one, 1GiB\nf:6: quota.soft_files: a soft limit above the hard one, 1\nf:7: quota: user a has a quota already, on line 1"},
	{"[[quota]]\nuser = 'a'\nfiles = -1", "f:3: quota.files: a number of files is at least 0, not -1"},
}

// imagesMistakes are about several images.
var imagesMistakes = []mistake{
	{"nfs_stack = 'go-nfs'\n[[image]]\npath = 'a'\n[[image]]\npath = 'b'\n[[image.export]]\nname = '/b'", "f:1: nfs_stack: go-nfs serves one image: leave it out for several"},
	{"[[image]]\nsize = '1GiB'", "f:1: image.path: it has no default: say it"},
	{"durability = 'power'\n[[image]]\npath = 'a'", "f:1: durability: it is about one image: write it in an [[image]]"},
	{"[[image]]\npath = 'a'\n[[export]]\nname = '/'", "f:3: export: it is about one image: write it in an [[image]]"},
	{"[[image]]\npath = 'a'\n[[image.export]]\nname = '/x'\n[[image]]\npath = 'b'\n[[image.export]]\nname = '/x'",
		"f:7: image.export.name: two exports are named \"/x\": the one of another image is on line 3"},
	{"[image]\npath = 'a'", "f:1: image: each begins with [[image]], in two brackets"},
	{"[[image]]\npath = 'a'\n[[image.snapshots]]\nevery = '1h'", "f:3: image.snapshots.keep: it has no default: say it"},
}
