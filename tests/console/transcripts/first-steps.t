# A configuration from nothing, and what can be asked about it.

$ lb -c "show config"
$ lb -c "show config | count"
0
$ lb <<END
> add interface ext role frontend address 203.0.113.1/24
> add interface int role backend address 10.0.0.1/24
> add route 0.0.0.0/0 via 203.0.113.254
> add pool web
> add backend web 10.0.0.11:80 weight 100
> add backend web 10.0.0.12:80 name blue   # the newer one
> add service web 203.0.113.10:80/tcp pool web
> commit comment "web launch"
> END
r1 active.
$ lb -c "show config"
add interface ext role frontend address 203.0.113.1/24
add interface int role backend address 10.0.0.1/24
add route 0.0.0.0/0 via 203.0.113.254
add pool web
add backend web 10.0.0.11:80 weight 100
add backend web 10.0.0.12:80 name blue
add service web 203.0.113.10:80/tcp pool web
$ lb -c "show revisions" | sed "s/....-..-.. ..:..:../TIME               /"
REVISION  TIME                 USER  CHANGES  COMMENT
       1  TIME                 root        7  web launch
$ lb -c "show backend"
POOL  ADDRESS    PORT  NAME  WEIGHT  ADMIN    HEALTH   STATE  ACTIVE  FLOWS  PACKETS  BYTES  REPLIES
web   10.0.0.11    80  -        100  enabled  unknown  up          0      0        0      0        0
web   10.0.0.12    80  blue       1  enabled  unknown  up          0      0        0      0        0
$ lb -c "show backend web 10.0.0.12:80 | json"
{"schema":1,"backend":[{"pool":"web","address":"10.0.0.12","port":80,"name":"blue","weight":1,"configured_weight":1,"admin":"enabled","health":"unknown","state":"up","active_flows":0,"total_flows":0,"packets":0,"bytes":0,"reply_packets":0,"reply_bytes":0}]}
$ lb -c "show service nothing"
error: no service "nothing"
[1]
$ lb -c "show route"
PREFIX          TYPE       VIA            INTERFACE  SOURCE
203.0.113.0/24  connected  -              ext        203.0.113.1
10.0.0.0/24     connected  -              int        10.0.0.1
0.0.0.0/0       static     203.0.113.254  ext        203.0.113.1
$ lb -c "lookup 198.51.100.7:51514 203.0.113.10:81/tcp"
DROP no_service: no service at this VIP, port and protocol
$ lb -c "lookup 198.51.100.7:51514 203.0.113.99:80/tcp"
DROP forwarding_off: neither for a service nor for the appliance, and forwarding is off
$ lb -c "lookup 198.51.100.7:51514 203.0.113.10:80/any"
error: a packet is either tcp or udp, not any
[2]
$ lb -c "clear counters" -c "clear flow"
0 flows closed.
$ lb -c version
error: no command "version". `help` lists them
[2]
