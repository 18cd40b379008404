"""Disks of a test's own, in a mount namespace that nobody else sees: they are gone with the process
that holds it. One is small and can be filled up, one can lose its power."""
import fcntl
import os
import struct
import subprocess
from pathlib import Path


class Disk:
    """Some kilobytes of tmpfs, mounted at `folder` for those who enter by `enter`."""

    def __init__(self, folder, kilobytes):
        self.folder = Path(folder)
        self.folder.mkdir()
        self._hold(f"mount -t tmpfs -o size={kilobytes}k none {folder}")

    def _hold(self, mount):
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--net", "sh", "-c", f"{mount} && echo there && exec sleep 600"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != "there\n":
            raise OSError(self.holder.communicate()[1].strip())
        pid = self.holder.pid
        self.enter = ("nsenter", f"--mount=/proc/{pid}/ns/mnt", f"--net=/proc/{pid}/ns/net")
        self.outside = Path(f"/proc/{pid}/root{self.folder}")   # the same, seen from here

    def _inside(self, *command):
        subprocess.run([*self.enter, *map(str, command)], check=True)

    def fill(self):
        with open(self.outside / "fill", "ab", buffering=0) as fill:
            for size in (4096, 1):
                try:
                    while fill.write(b"x" * size):
                        pass
                except OSError:
                    pass

    def make_room(self):
        (self.outside / "fill").unlink()

    def make_read_only(self):
        self._inside("mount", "-o", "remount,ro", self.folder)

    def files(self):
        return {path.name: path.read_bytes() for path in self.outside.iterdir()}

    def close(self):
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()
        self.holder.stderr.close()


class PowerDisk(Disk):
    """An ext4 on a loop device. cut_power(): from now on nothing reaches it, and what it has not
    got so far is lost; come_back() is the boot after that, when nobody uses it any more."""

    SHUTDOWN, NO_LOG_FLUSH = 0x8004587d, 2   # EXT4_IOC_SHUTDOWN and its flag, linux/fs/ext4/ext4.h

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir()
        self.image = self.folder.with_suffix(".img")
        with open(self.image, "wb") as image:
            image.truncate(8 << 20)
        subprocess.run(["mkfs.ext4", "-q", self.image], check=True)
        self._hold(f"mount -o loop {self.image} {self.folder}")

    def cut_power(self):
        descriptor = os.open(self.outside, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, self.SHUTDOWN, struct.pack("I", self.NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def come_back(self):
        self._inside("umount", self.folder)
        self._inside("mount", "-o", "loop", self.image, self.folder)

    def fail(self):
        """As after an error of the device: the kernel lets nobody write any more."""
        self._inside("mount", "-o", "remount,abort", self.folder)
