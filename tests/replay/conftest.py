import pytest

from replay import Replay


@pytest.fixture
def replay(tmp_path):
    return Replay(tmp_path)
