# Out and in again: export, load, rollback, backup.

$ printf 'add pool web\nadd backend web 10.0.0.11:80\nset global seed 7\n' | lb
warning: no network of an interface and no route reaches backend "web/10.0.0.11:80"
r1 active.
$ lb -c export
set global seed 7
add pool web
add backend web 10.0.0.11:80
commit
$ lb -c "export web.conf"
web.conf: 67 bytes written.
$ lb -c "export web.conf"
error: cannot write web.conf: it is there already and not empty
[1]
$ cat web.conf
set global seed 7
add pool web
add backend web 10.0.0.11:80
commit
$ lb -c "load web.conf replace"
unchanged (r1).
$ lb -c "add pool extra"
r2 active.
$ lb -c "load web.conf merge"
unchanged (r2).
$ lb -c "load web.conf replace"
r3 active.
$ lb -c "show config"
set global seed 7
add pool web
add backend web 10.0.0.11:80
# Cut short, it does nothing.
$ head -3 web.conf | lb -c "load - replace"
error: <stdin> does not end with "commit": it may have been cut short, nothing was applied
[1]
$ lb -c export | lb -c "load - replace"
unchanged (r3).
$ printf 'add pool web\nadd backend wbe 10.0.0.1:80\nshow pool\n' > bad.conf
$ lb -c "load bad.conf"
bad.conf:2:13: error: no pool "wbe". Did you mean "web"?
add backend wbe 10.0.0.1:80
            ^^^
bad.conf:3:1: error: a file that is loaded holds configuration only
show pool
^^^^^^^^^
error: 2 of 3 lines failed; nothing was applied (still at r3)
[1]
$ lb <<END
> add pool more
> load web.conf
> del pool more
> END
unchanged (r3).
$ lb -c "rollback 2"
r4 active.
$ lb -c "rollback 2"
unchanged (r4).
$ lb -c "show revisions 1"
set global seed 7
add pool web
add backend web 10.0.0.11:80
$ lb -j -c "show revisions 1"
{"schema":1,"revisions":{"revision":1,"text":"set global seed 7\nadd pool web\nadd backend web 10.0.0.11:80\n"}}
$ lb -c "show revisions | json" | sed 's/"time":[0-9]*/"time":N/g'
{"schema":1,"revisions":[{"revision":4,"time":N,"user":"root","changes":1,"comment":"rollback to r2"},{"revision":3,"time":N,"user":"root","changes":1,"comment":"load web.conf replace"},{"revision":2,"time":N,"user":"root","changes":1,"comment":null},{"revision":1,"time":N,"user":"root","changes":3,"comment":null}]}
$ lb -c "backup lb.db"  | sed 's/[0-9]\{4,\}/N/'
lb.db: N bytes written.
$ stat -c %a lb.db web.conf
600
600
$ "$BUILD/lbd" --check --db lb.db | head -1 | sed "s/.*: schema [0-9]*/schema N/"
schema N, revision 4, 4 revisions kept
$ touch empty && lb -q -c "export empty" && wc -l < empty
5
$ lb -c "export /nowhere/file"
error: cannot write /nowhere/file: No such file or directory
[1]
$ lb -c "export /dev/stdout"
set global seed 7
add pool extra
add pool web
add backend web 10.0.0.11:80
commit
/dev/stdout: 82 bytes written.
