/* `lbd replay`: the same packet path without a kernel. */
#ifndef APPLIANCE_REPLAY_H
#define APPLIANCE_REPLAY_H

/* Runs the command line after `lbd`; argv[0] is "replay". Returns the exit status. */
int replay_main(int argc, char **argv);

#endif
