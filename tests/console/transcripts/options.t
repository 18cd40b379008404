# lb as a program.

$ lb --help
usage: lb [OPTION]...                 at a terminal: the console
       lb [OPTION]... < SCRIPT        a script: all of it or nothing
       lb [OPTION]... -c COMMAND...   commands, one after the other

  -c COMMAND       run this command; may be repeated
  -f FILE          run the script in FILE; - is stdin
  -j               JSON, one document a command
  -q               say nothing of success
  --check          apply nothing; exit 5 if something would change
  --each           every line of the script is its own transaction
  --confirmed MIN  taken back after so many minutes, unless `confirm` follows
  --keep-going     with --each or -c: go on after a failure
  --socket PATH    where lbd listens (default /run/lb/lb.sock)
  --help, --version

exit status: 0 done or unchanged, 1 rejected, 2 usage or syntax, 3 lbd not reachable,
             4 timed out, 5 --check and it would change something
$ lb --version
lb 0.1
$ lb --frobnicate
lb: unrecognized option '--frobnicate'
See `lb --help`
[2]
$ lb show config
error: commands are given with -c, scripts with -f or on stdin. See `lb --help`
[2]
$ lb -c "show config" -f x
error: -c and -f exclude each other. See `lb --help`
[2]
$ lb --keep-going < /dev/null
error: --keep-going needs --each or -c. See `lb --help`
[2]
$ lb --each --check < /dev/null
error: --check takes the script as a whole, --each does not. See `lb --help`
[2]
$ lb --each -c "show config"
error: --each is for scripts, every -c is by itself anyway. See `lb --help`
[2]
$ "$BUILD/lb" --socket nowhere -c "show config"
error: no socket nowhere: is lbd running? Start it with `systemctl start lbd`, or name its socket with --socket
[3]
$ "$BUILD/lb" --socket /tmp -c "show config"
error: /tmp is not a socket, so it is not lbd's
[3]
$ python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("left")'
$ "$BUILD/lb" --socket left -c "show config"
error: nobody listens at left, it was left behind: is lbd running? Start it with `systemctl start lbd`
[3]
$ lb -c "help load"
load FILE [merge|replace]
run a script of configuration commands
  FILE     script of configuration commands; - is stdin
  merge    add to what runs (default)
  replace  in place of what runs; the file must end with `commit`
$ lb -c "help set backend"
set backend POOL A:PORT [weight N] [name NAME] [admin {enabled|drain|disabled}]
change settings of an object: real server of a pool
  POOL                            pool that it is in
  A:PORT                          address:port of the real server (port 0: the client's)
  weight N                        share of new flows, against the others' weights; 0: none (default: 1)
  name NAME                       name to show beside the address
  admin {enabled|drain|disabled}  administrative state (default: enabled)
$ printf 'history\nterminal length 0\nquit\n' | lb
$ lb -c "show version" > /dev/full
error: cannot write to stdout: No space left on device
[1]
$ lb -c "add pool web" >&-
error: cannot write to stdout: Bad file descriptor
[1]
$ lb -c "add pool web" -c "show config"
unchanged (r1).
add pool web
