# A candidate: changes that come into force together. One connection, one candidate.

$ lb -c configure -c "add pool web" -c "add backend web 10.0.0.11:80" -c compare -c "commit comment launch" -c "show config"
+ add pool web
+ add backend web 10.0.0.11:80
warning: no network of an interface and no route reaches backend "web/10.0.0.11:80"
r1 active.
add pool web
add backend web 10.0.0.11:80
$ lb -c "show revisions" | sed "s/....-..-.. ..:..:../TIME               /"
REVISION  TIME                 USER  CHANGES  COMMENT
       1  TIME                 root        2  launch
# Nobody has to wait for it, and what is not committed ends with its connection.
$ lb -c configure -c "set backend web 10.0.0.11:80 weight 5" -c "drain backend web 10.0.0.11:80" -c "show config" -c "show config running"
r2 active.
add pool web
add backend web 10.0.0.11:80 weight 5 admin drain
add pool web
add backend web 10.0.0.11:80 admin drain
error: the candidate was not committed: nothing of its 1 line was applied
[1]
$ lb -c "show config"
add pool web
add backend web 10.0.0.11:80 admin drain
$ lb -c configure -c "del pool web" -c "discard" -c "show config | count"
error: pool "web" is in use by backend "web/10.0.0.11:80"
[1]
$ lb -c configure -c "add pool a" -c "commit check" -c "discard"
would change 1 object.
$ lb --check -c configure -c "add pool a" -c "commit"
would change 1 object.
[5]
$ lb -c commit
error: no candidate is open; a command alone is in force at once
[1]
$ lb -c discard
error: no candidate is open, there is nothing to discard
[1]
$ lb -c compare
error: no candidate is open; `compare N` compares with what was, `configure` opens one
[1]
# From one revision to another, or to what runs.
$ lb -c "compare 1"
- add backend web 10.0.0.11:80
+ add backend web 10.0.0.11:80 admin drain
$ lb -c "compare 2 1"
- add backend web 10.0.0.11:80 admin drain
+ add backend web 10.0.0.11:80
$ lb -c "compare 1 2 | json"
{"schema":1,"compare":{"from":1,"to":2,"changes":[{"kind":"backend","name":"web/10.0.0.11:80","change":"changed","before":"add backend web 10.0.0.11:80","after":"add backend web 10.0.0.11:80 admin drain"}]}}
$ lb -c "compare 99"
error: revision 99 is not kept
[1]
# A script says so where a person would; then it must be whole.
$ lb <<END
> configure
> set backend web 10.0.0.11:80 weight 9
> commit comment "from a script"
> show backend | count
> END
r3 active.
1
$ printf 'configure\nset backend web 10.0.0.11:80 weight 5\n' | lb
error: the script says "configure" and never "commit": it may have been cut short
error: nothing was applied (still at r3)
[1]
# compare is about its lines so far; it stands before its end.
$ lb <<END
> set backend web 10.0.0.11:80 weight 5
> compare
> add pool b
> compare | match pool
> commit check
> END
- add backend web 10.0.0.11:80 weight 9 admin drain
+ add backend web 10.0.0.11:80 weight 5 admin drain
+ add pool b
would change 2 objects.
$ printf 'compare\nadd pool web\n' | lb
unchanged (r3).
$ printf 'add pool b\ncompare\n' | lb --check
would change 1 object.
[5]
$ printf 'add pool b\ncommit\ncompare\n' | lb
<stdin>:3:1: error: a line after the end of the script
compare
^^^^^^^
error: 1 of 3 lines failed; nothing was applied (still at r3)
[1]
$ lb -j -c configure -c "add pool b" -c "commit check" -c "discard"
{"schema":1,"candidate":{"revision":3,"lines":0}}
{"schema":1,"candidate":{"revision":3,"lines":1}}
{"schema":1,"check":{"revision":3,"changes":1,"impact":{"flows":0,"flows_moved":0,"flows_without_backend":0,"flows_ended":0},"maglev":[{"pool":"web","slots":65537,"slots_moved":0}],"no_backend":[]}}
{"schema":1,"candidate":{"revision":3,"lines":null}}
$ lb -c "help commit"
commit [check|confirmed MIN] [comment TEXT]
bring the candidate into force, or end a script
  check          only tell whether it would be accepted, and what it would do
  confirmed MIN  taken back after so many minutes, unless you `confirm`
  comment TEXT   why, for `show revisions`
# In force for a time, and for good when somebody says so.
$ lb -c configure -c "add pool c" -c "commit confirmed 5 comment try" | sed "s/[0-9:]\{8\}/HH:MM:SS/"
r4 active. Reverts to r3 at HH:MM:SS unless you type 'confirm'.
$ lb -c "set pool c affinity source-ip" | sed "s/[0-9:]\{8\}/HH:MM:SS/"
r5 active. r4 by root still reverts to r3 at HH:MM:SS unless you type 'confirm'.
$ lb -c "show status" | grep confirm | sed "s/[0-9:]\{8\}/HH:MM:SS/"
r4 by root reverts to r3 at HH:MM:SS unless you type 'confirm'.
$ lb -c confirm
r4 confirmed.
$ lb -c confirm
error: nothing waits to be confirmed
[1]
$ printf 'add pool d\n' | lb --confirmed 5 | sed "s/[0-9:]\{8\}/HH:MM:SS/"
r6 active. Reverts to r5 at HH:MM:SS unless you type 'confirm'.
$ printf 'add pool e\n' | lb -q --confirmed 5
$ lb -j -c "commit"
{"schema":1,"confirm":{"revision":7}}
$ lb --confirmed 0 -c "add pool f"
error: --confirmed takes minutes, 1 to 10080. See `lb --help`
[2]
$ lb --confirmed 5 --each < /dev/null
error: --confirmed takes the script as a whole, --each does not. See `lb --help`
[2]
$ lb -c "help confirm"
confirm
keep what `commit confirmed` has brought into force
# What it would do, before it does.
$ lb -q <<END
> add interface ext role frontend address 203.0.113.1/24
> add interface int role backend address 10.0.0.1/24
> add service web 203.0.113.10:80/tcp pool web
> END
$ lb -c configure -c "set backend web 10.0.0.11:80 weight 0" -c compare -c "commit check" -c "lookup 198.51.100.7:1 203.0.113.10:80/tcp" -c discard
- add backend web 10.0.0.11:80 weight 9 admin drain
+ add backend web 10.0.0.11:80 weight 0 admin drain
service web has no backend, as now.
warning: all weights are 0 in pool "web"
would change 1 object.
service web has no backend, as now.
in the candidate: service web
DROP no_backend: no usable backend in the service's pool
$ lb --check -c "add pool web"
unchanged (r8).
$ lb -c configure -c "enable backend web 10.0.0.11:80" -c "add backend web 10.0.0.12:80" -c "commit check" -c discard
r9 active.
would change 1 object.
pool web: 10.0 % of its Maglev table moves.
