# A script is one transaction, and its errors have a place.

$ lb <<END
> add pool web
>
> # weights end at 65535
> add backend web 10.0.0.11:80 weight 70000
> 	add backend web	10.0.0.12:80 wieght 4
> add backend wbe 10.0.0.13:80
> show backend
> END
<stdin>:4:37: error: weight 70000 is out of range 0-65535
add backend web 10.0.0.11:80 weight 70000
                                    ^^^^^
<stdin>:5:31: error: no option "wieght". Did you mean "weight"?
        add backend web 10.0.0.12:80 wieght 4
                                     ^^^^^^
<stdin>:6:13: error: no pool "wbe". Did you mean "web"?
add backend wbe 10.0.0.13:80
            ^^^
error: 3 of 5 lines failed; nothing was applied (still at r0)
[2]
$ lb -c "show config"
$ printf 'add pool web\r\nadd backend web 10.0.0.11:80\r\nshow config' | lb
warning: no network of an interface and no route reaches backend "web/10.0.0.11:80"
r1 active.
add pool web
add backend web 10.0.0.11:80
$ lb <<END
> add pool more
> show pool mroe
> show service www | count
> END
<stdin>:2:11: error: no pool "mroe". Did you mean "more"?
show pool mroe
          ^^^^
<stdin>:3:14: error: no service "www"
show service www | count
             ^^^
error: 2 of 3 lines failed; nothing was applied (still at r1)
[1]
$ printf 'add pool "größe\n' | lb
<stdin>:1:10: error: quote is not closed
add pool "größe
         ^^^^^^
error: 1 of 1 lines failed; nothing was applied (still at r1)
[2]
$ printf 'add pool x\0y\n' | lb
<stdin>:1:11: error: NUL byte
add pool x?y
          ^
error: 1 of 1 lines failed; nothing was applied (still at r1)
[2]
$ printf 'add pool \033[2J\n' | lb
<stdin>:1:10: error: control character 0x1b
add pool ?[2J
         ^
error: 1 of 1 lines failed; nothing was applied (still at r1)
[2]
$ printf 'add pool \377\n' | lb
<stdin>:1:10: error: byte 0xff is not UTF-8
add pool ?
         ^
error: 1 of 1 lines failed; nothing was applied (still at r1)
[2]
$ head -c 10000 /dev/zero | tr '\0' a | lb
<stdin>:1:1: error: line of 10000 bytes, at most 8192 are allowed
error: 1 of 1 lines failed; nothing was applied (still at r1)
[2]
$ printf '' | lb
$ printf '\n   \n# nothing\n' | lb
$ lb < /dev/null
$ lb -f nowhere.lb
error: cannot read nowhere.lb: No such file or directory
[1]
# Lines behind the end are a mistake.
$ printf 'add pool a\ncommit\nadd pool b\n' | lb
<stdin>:3:1: error: a line after the end of the script
add pool b
^^^^^^^^^^
error: 1 of 3 lines failed; nothing was applied (still at r1)
[1]
$ printf 'add pool a\nquit\nadd pool b\n' | lb
<stdin>:3:1: error: a line after the end of the script
add pool b
^^^^^^^^^^
error: 1 of 3 lines failed; nothing was applied (still at r1)
[1]
# What follows from an error is not told as another.
$ lb <<END
> add pool new affinity random
> add backend new 10.0.0.11:80
> add service new 203.0.113.10:80/tcp pool new
> END
<stdin>:1:23: error: affinity "random" is not one of: 5-tuple, source-ip
add pool new affinity random
                      ^^^^^^
error: 1 of 3 lines failed; nothing was applied (still at r1)
[2]
# Lines that read run after the commit, wherever they stand.
$ printf 'show pool\nadd pool zulu\n' | lb | cut -d" " -f1
r2
NAME
web
zulu
# Every line by itself.
$ printf 'add pool a\nadd pool b c\nadd pool d\n' | lb --each
r3 active.
<stdin>:2:12: error: "c" is short for check; scripts need whole words
add pool b c
           ^
error: 1 of 2 lines failed; stopped there (now at r3)
[2]
$ printf 'add pool a\nadd pool b c\nadd pool d\n' | lb --each --keep-going
unchanged (r3).
<stdin>:2:12: error: "c" is short for check; scripts need whole words
add pool b c
           ^
r4 active.
error: 1 of 3 lines failed (now at r4)
[2]
$ lb -c "show config | match 'pool (a|b|d|web)$'"
add pool a
add pool d
add pool web
$ lb -c 'show config | match "pool (a|b|d|web)$"'
add pool a
add pool d
add pool web
