"""A session: of Sail, which runs the same data source without Java, or of Spark itself where that is installed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def _has_spark() -> bool:
    found = importlib.util.find_spec("pyspark")
    return found is not None and found.origin is not None and (Path(found.origin).parent / "jars").is_dir()


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    """The session, with the data source registered. Each file has its own: Sail ends one that is not used for some minutes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pyspark's own, about pandas
        if _has_spark():
            yield from _local()
        elif importlib.util.find_spec("pysail") is not None and importlib.util.find_spec("pyspark") is not None:
            yield from _sail()
        else:
            pytest.skip("needs pip install '.[spark-tests]' (Sail), or pyspark with Java 17: see tests/spark/local.sh")


def _sail() -> Iterator[Any]:
    # The client thinks that a process whose main module has no file runs its doctests. Those of pytest-xdist have none.
    main = sys.modules["__main__"]
    if not hasattr(main, "__file__"):
        main.__file__ = __file__
    from pysail.spark import SparkConnectServer
    from pyspark.sql import SparkSession

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    session = SparkSession.builder.remote(f"sc://127.0.0.1:{server.listening_address[1]}").getOrCreate()
    yield _registered(session)
    session.stop()
    server.stop()


def _local() -> Iterator[Any]:
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java 17, and there is no java")
    os.environ |= {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    session = builder.config("spark.sql.shuffle.partitions", "2").config("spark.log.level", "OFF").getOrCreate()
    yield _registered(session)
    session.stop()


def _registered(session: Any) -> Any:
    from batchfiles.spark import BatchFilesDataSource

    session.dataSource.register(BatchFilesDataSource)
    return session


@pytest.fixture
def keeps_order(spark: Any) -> bool:
    """Whether `collect` returns the partitions in their order: Spark does, Sail returns each when it is ready."""
    return "connect" not in type(spark).__module__
