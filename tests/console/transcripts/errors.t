# Errors say what is wrong and show the way out.

$ lb -c "shwo"
error: no command "shwo". Did you mean "show"?
[2]
$ lb -c "sh backend"
error: "sh" is short for show; scripts need whole words
[2]
$ lb -c "show flwo"
error: no command "show flwo". Did you mean "show flow"?
[2]
$ lb -c "show"
error: show needs one of: status, interface, neighbor, route, service, pool, backend, check, flow, trace, drops, stats, config, revisions, events, version
[2]
$ lb -c "add backend web"
error: A:PORT is missing: add backend POOL A:PORT [weight N] [name NAME] [admin {enabled|drain|disabled}]
[2]
$ lb -c "add backend wbe 10.0.0.11:80"
error: no pool "wbe"
[1]
$ lb -c "add pool web" -c "add backend wbe 10.0.0.11:80"
r1 active.
error: no pool "wbe". Did you mean "web"?
[1]
$ lb -c "add pool web | count"
error: only show, lookup and compare have output to filter
[2]
$ lb -c "show pool | match ("
error: "(" is not a regular expression: Unmatched ( or \(
[2]
$ lb -j -c "show pool | count"
error: filters take lines, JSON is none
[2]
$ lb -c "add interface ext role frontend address 10.0.0.0/24"
error: address 10.0.0.0/24 is the network's own address, not a host's
[2]
$ lb -c "add backend web 10.0.0.300:80"
error: address "10.0.0.300:80" is not an address:port like 10.0.0.11:80
[2]
$ lb -c "add backend web [2001:db8::1]:80"
error: address [2001:db8::1]:80 is IPv6, this release carries IPv4
[2]
$ lb -c "load nowhere.conf"
error: cannot read nowhere.conf: No such file or directory
[1]
$ lb -c "rollback 99"
error: revision 99 is not kept
[1]
$ lb -c "commit"
error: no candidate is open; a command alone is in force at once
[1]
$ lb -c 'add pool "web'
error: quote is not closed
[2]
$ lb -c "help frobnicate"
error: no command "frobnicate", only: add, set, del, no, enable, disable, drain, show, lookup, monitor, trace, capture, clear, configure, compare, commit, confirm, discard, rollback, load, export, backup, help, history, terminal, quit
[2]
# The commands before a failed one are done, those after it are not.
$ lb -c "add pool a" -c "add pool 1 2" -c "add pool b"
r2 active.
error: no option "2", only: scheduler, affinity, check
[2]
$ lb --keep-going -c "add pool 1 2" -c "add pool b"
error: no option "2", only: scheduler, affinity, check
r3 active.
[2]
$ lb -c "show config"
add pool a
add pool b
add pool web
