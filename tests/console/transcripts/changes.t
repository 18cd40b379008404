# Single commands: each is a transaction of one.

$ lb -c "add pool web"
r1 active.
# The same again changes nothing, something else under the same name is an error.
$ lb -c "add pool web"
unchanged (r1).
$ lb -c "add pool web affinity source-ip"
error: pool "web" exists with affinity 5-tuple, not source-ip; to change it, use "set pool"
[1]
$ lb -c "set pool web affinity source-ip"
r2 active.
$ lb -c "set pool web affinity source-ip"
unchanged (r2).
$ lb -c "set pool wbe affinity source-ip"
error: no pool "wbe". Did you mean "web"?
[1]
$ lb -c "add backend web 10.0.0.11:80 weight 70000"
error: weight 70000 is out of range 0-65535
[2]
$ lb -c "add backend web 10.0.0.11:80 weight 65535"
warning: no network of an interface and no route reaches backend "web/10.0.0.11:80"
r3 active.
$ lb -c "set backend web 10.0.0.11:80 weight 0 name blue"
r4 active.
$ lb -c "show config"
add pool web affinity source-ip
add backend web 10.0.0.11:80 weight 0 name blue
$ lb -c "set backend web 10.0.0.11:80 name none"
r5 active.
$ lb -c "add service web 203.0.113.10:80/tcp pool web"
warning: no interface has the role frontend: services have no clients
warning: no interface has the role backend: services have no servers
warning: all weights are 0 in pool "web"
r6 active.
# What is in use stays, and by whom it is used is said.
$ lb -c "del pool web"
error: pool "web" is in use by service "web", backend "web/10.0.0.11:80"
[1]
$ lb -c "no service web" -c "no backend web 10.0.0.11:80" -c "del pool web"
r7 active.
r8 active.
r9 active.
$ lb -c "del pool web"
error: no pool "web"
[1]
$ lb -c "del pool web if-exists"
unchanged (r9).
$ lb -c "set global forwarding on vip-echo available"
r10 active.
$ lb -c "show config"
set global forwarding on vip-echo available
# Quiet and JSON.
$ lb -q -c "add pool a"
$ lb -j -c "add pool b" -c "add pool b"
{"schema":1,"commit":{"revision":12,"changed":true}}
{"schema":1,"commit":{"revision":12,"changed":false}}
