"""A small disk that a test can fill up: a tmpfs in a mount namespace of its own, which nobody else
sees and which is gone with the process that holds it."""
import subprocess
from pathlib import Path


class Disk:
    def __init__(self, folder, kilobytes):
        """Mounted at `folder`, for those who enter by `enter`."""
        self.folder = Path(folder)
        self.folder.mkdir()
        mount = f"mount -t tmpfs -o size={kilobytes}k none {folder} && echo there && exec sleep 600"
        self.holder = subprocess.Popen(["unshare", "--mount", "--net", "sh", "-c", mount],
                                       stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout.readline() == "there\n"
        pid = self.holder.pid
        self.enter = ("nsenter", f"--mount=/proc/{pid}/ns/mnt", f"--net=/proc/{pid}/ns/net")
        self.outside = Path(f"/proc/{pid}/root{folder}")   # the same, seen from here

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
        subprocess.run([*self.enter, "mount", "-o", "remount,ro", self.folder], check=True)

    def files(self):
        return {path.name: path.read_bytes() for path in self.outside.iterdir()}

    def close(self):
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()
