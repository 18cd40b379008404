# Into service and out of it.

$ lb -q <<END
> add pool web
> add backend web 10.0.0.11:80
> add backend web 10.0.0.12:80
> add service web 203.0.113.10:80/tcp pool web
> END
warning: no interface has the role frontend: services have no clients
warning: no interface has the role backend: services have no servers
warning: no network of an interface and no route reaches backend "web/10.0.0.11:80", backend "web/10.0.0.12:80"
$ lb -c "drain backend web 10.0.0.11:80"
r2 active.
$ lb -c "drain backend web 10.0.0.11:80"
unchanged (r2).
$ lb -c "drain backend web 10.0.0.12:80 timeout 5 wait"
r3 active.
$ lb -c "disable backend web 10.0.0.12:80 wait"
r4 active.
$ lb -c "disable service web"
r5 active.
$ lb -c "show config"
add pool web
add backend web 10.0.0.11:80 admin drain
add backend web 10.0.0.12:80 admin disabled
add service web 203.0.113.10:80/tcp pool web admin disabled
$ lb -c "enable backend web 10.0.0.12:80 wait"
r6 active.
$ lb -c "enable backend web 10.0.0.11:80" -c "enable service web"
r7 active.
r8 active.
$ lb -c "show config"
add pool web
add backend web 10.0.0.11:80
add backend web 10.0.0.12:80
add service web 203.0.113.10:80/tcp pool web
$ lb -c "drain backend web 10.0.0.13:80"
error: no backend "web/10.0.0.13:80". Did you mean "web/10.0.0.11:80"?
[1]
$ lb -c "drain service web"
error: no command "drain service", only: backend
[2]
$ lb -c "add check hc tcp" -c "set pool web check hc"
r9 active.
r10 active.
# There is nobody to answer its check.
$ lb -c "enable backend web 10.0.0.11:80 wait timeout 300ms"
unchanged (r10).
error: timed out: backend web/10.0.0.11:80 is not up
[4]
