"""Says so where the plugin's tests cannot run."""

from __future__ import annotations

from importlib.util import find_spec

import pytest


def test_qgis_is_there() -> None:
    if find_spec("qgis") is None:
        pytest.skip("QGIS is not installed: the tests in tests/ui were not run")
    from qgis.core import Qgis

    assert Qgis.QGIS_VERSION_INT >= 32200
