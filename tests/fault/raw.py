"""The console's protocol by hand, for consoles that do not behave; see cli/protocol.h."""
import socket
import struct

HELLO, RUN, DONE = 1, 2, 78
VERSION = 2


def frame(kind, payload=b""):
    return struct.pack(">IB", len(payload) + 1, kind) + payload


def name(text):
    text = text.encode() + b"\0"
    return struct.pack(">I", len(text)) + text


def hello(interactive=False):
    return frame(HELLO, struct.pack(">IB", VERSION, interactive))


def run(command):
    text = command.encode()
    return frame(RUN, struct.pack(">IQ", 0, 0) + name("") + struct.pack(">I", len(text)) + text +
                 struct.pack(">I", 0))


class Raw:
    def __init__(self, path, timeout=10):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))   # without a time limit: it would fail where others queue
        self.socket.settimeout(timeout)

    def send(self, *parts):
        self.socket.sendall(b"".join(parts))

    def read_to_end(self):
        """All that comes before lbd hangs up."""
        received = b""
        try:
            while part := self.socket.recv(65536):
                received += part
        except ConnectionResetError:
            pass
        return received

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
