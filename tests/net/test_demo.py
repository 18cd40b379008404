"""`make demo` must hold: what a stranger runs first."""
import os
import subprocess

import pytest

from lab import BUILD, ROOT, RUN


@pytest.mark.timeout(120)
def test_the_demo_holds_and_leaves_nothing():
    environment = dict(os.environ, LAB=f"{RUN}-demo", LB_BUILD=str(BUILD))
    demo = subprocess.run([ROOT / "scripts/demo"], env=environment, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=110)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "all 9 steps held" in demo.stdout
    assert not [name for name in os.listdir("/run/netns") if name.startswith(f"{RUN}-demo")]
