# --check tells what would be, and changes nothing.

$ lb --check -c "add pool web"
would change 1 object.
[5]
$ lb --check -c "add pool web" -c "add backend web 10.0.0.1:80"
would change 1 object.
error: no pool "web"
[1]
$ printf 'add pool web\nadd backend web 10.0.0.11:80\n' > web.lb
$ lb --check -f web.lb
warning: no network of an interface and no route reaches backend "web/10.0.0.11:80"
would change 2 objects.
[5]
$ lb -j --check -f web.lb
warning: no network of an interface and no route reaches backend "web/10.0.0.11:80"
{"schema":1,"check":{"revision":0,"changes":2,"impact":{"flows":0,"flows_moved":0,"flows_without_backend":0,"flows_ended":0},"maglev":[],"no_backend":[]}}
[5]
$ lb -q --check -f web.lb
warning: no network of an interface and no route reaches backend "web/10.0.0.11:80"
[5]
$ lb -f web.lb
warning: no network of an interface and no route reaches backend "web/10.0.0.11:80"
r1 active.
$ lb --check -f web.lb
unchanged (r1).
$ lb --check -c "set backend web 10.0.0.11:80 weight 99999"
error: weight 99999 is out of range 0-65535
[2]
$ lb --check -c "del pool web"
error: pool "web" is in use by backend "web/10.0.0.11:80"
[1]
$ lb --check -c "clear counters"
$ lb -c "show config"
add pool web
add backend web 10.0.0.11:80
