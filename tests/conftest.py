"""Settings for all tests."""

from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest
import torch

torch.set_num_threads(1)  # for tiny networks a second thread costs more than it saves


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Use a separate cache for the tests and their subprocesses."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("SEEWHY_CACHE", str(folder))
        yield folder


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Disable run-time type checks, as in a user's installation, so that the package's own messages appear."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
