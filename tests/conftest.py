"""Fixtures of all suites."""
import subprocess

import pytest


@pytest.fixture(scope="session")
def private_mounts():
    """For tests that mount what nobody else may see. That takes a root that is a mount itself, which
    the root of a chroot is not."""
    attempt = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True)
    if attempt.returncode:
        pytest.skip(attempt.stderr.strip())
