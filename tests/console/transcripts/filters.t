# What stands behind a bar.

$ lb -q <<END
> add pool dns
> add pool web
> add backend dns 10.0.0.21:53
> add backend web 10.0.0.11:80
> add backend web 10.0.0.12:80
> END
warning: no network of an interface and no route reaches backend "dns/10.0.0.21:53", backend "web/10.0.0.11:80", backend "web/10.0.0.12:80"
$ lb -c "show config | match web"
add pool web
add backend web 10.0.0.11:80
add backend web 10.0.0.12:80
$ lb -c "show config | except web"
add pool dns
add backend dns 10.0.0.21:53
$ lb -c "show config | match web | except pool | count"
2
$ lb -c "show config|match web|count"
3
$ lb -c "show config | match \"^add backend (web|dns) 10.0.0.[12]1:\""
add backend dns 10.0.0.21:53
add backend web 10.0.0.11:80
$ lb -c "show config | match nothing"
$ lb -c "show config | match nothing | count"
0
# A heading is no line: it is neither filtered nor counted.
$ lb -c "show backend | match dns" | awk '{ print $1, $2 }'
POOL ADDRESS
dns 10.0.0.21
$ lb -c "show backend | count"
3
$ lb -c "show backend | count | no-more"
3
$ lb -c "show backend | json | match web"
error: filters take lines, JSON is none
[2]
$ lb -c "show pool | json | no-more" | head -c 30
{"schema":1,"pool":[{"name":"d(no newline)
# A remark about the output is no line of it.
$ lb -c "show drops"
no drops
$ lb -c "show drops | count"
0
# What is counted by interface is shown by interface.
$ lb <<END
> add interface ext role frontend address 198.51.100.1/24
> add interface int role backend address 10.0.0.1/24
> add neighbor 198.51.100.7 mac 02:00:00:00:00:07 interface ext
> add neighbor 10.0.0.11 mac 02:00:00:00:00:0b interface int
> END
r2 active.
$ lb -c "show neighbor int"
ADDRESS    INTERFACE  MAC                STATE   AGE  HELD
10.0.0.11  int        02:00:00:00:00:0b  static    -     0
$ lb -c "show stats int | match int"
interface:
NAME  RECEIVED  FORWARDED  CONSUMED  HELD  DROPPED  ORIGINATED  RING-LOST  SENT  SEND-FULL
int          0          0         0     0        0           0          0     0          0

total:

path:

flows:
$ lb -c "show drops ext"
no drops
$ lb --keep-going -c "show stats dmz" -c "show drops dmz" -c "show neighbor itn"
error: no interface "dmz"
error: no interface "dmz"
error: no interface "itn". Did you mean "int"?
[1]
