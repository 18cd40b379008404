#!/usr/bin/python3
"""unwrap {ipip|gue} DEVICE: the end of a tunnel, in user space.

Does what the kernel's ipip and fou modules do for a backend, where the kernel has none (neither is
built into every kernel): takes packets of protocol 4, or datagrams to port 6080, off their outer
headers, and gives what was inside to the host through a TUN device. Fragments of outer packets have
been put together by the host's kernel before, and it has verified the outer UDP checksum, as it does
for its own tunnels.
"""
import fcntl
import os
import socket
import struct
import sys

IPPROTO_IPIP, GUE_PORT = 4, 6080
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 1, 0x1000
SO_RCVBUFFORCE = 33
BUFFER = 16 << 20   # what comes while this program does not run


def tun(name):
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return device


def outside(mode):
    """The socket, and the bytes before the inner packet in what it gives."""
    if mode == "ipip":
        return socket.socket(socket.AF_INET, socket.SOCK_RAW, IPPROTO_IPIP), 20
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("", GUE_PORT))
    return datagrams, 0


def main(mode, name):
    device = tun(name)
    packets, skip = outside(mode)
    packets.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
    print("ready", flush=True)
    buffer = memoryview(bytearray(65536))
    while True:
        length = packets.recv_into(buffer)
        # Linux's gue_udp_recv(): the version decides, 4 in the first bits is an IPv4 packet.
        if length > skip and buffer[skip] >> 4 == 4:
            os.write(device, buffer[skip:length])


main(*sys.argv[1:])
