"""What the tests of the Ray engine share: a series, its undisturbed local run, and a cluster."""

from collections.abc import Iterator

import pytest

from tests.cluster.nodes import Nodes
from tests.cluster.series import ClusterSeries, cluster_series


@pytest.fixture(scope="session")
def series(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterSeries]:
    """A small series with its undisturbed run on the local engine."""
    with cluster_series(tmp_path_factory.mktemp("cluster")) as series:
        yield series


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[Nodes]:
    """A head and two nodes of one CPU each, for tests that leave them as they are."""
    with Nodes() as nodes:
        nodes.add()
        nodes.add()
        yield nodes


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    """A head alone: nodes are added, and killed, by the test."""
    with Nodes() as nodes:
        yield nodes
