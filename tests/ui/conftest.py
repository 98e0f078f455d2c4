"""Fixtures for tests of the plugin inside QGIS. Without QGIS none of these tests is collected."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

HAS_QGIS = find_spec("qgis") is not None
collect_ignore_glob = [] if HAS_QGIS else ["*/*", "test_[!n]*"]

if HAS_QGIS:
    from qgis.core import QgsApplication, QgsSettings

    @pytest.fixture(autouse=True)
    def no_task_outlives_its_test(qgis_app):
        """A task that still runs when QGIS ends would abort the test process."""
        yield
        QgsApplication.processEvents()  # tasks that were just started get to the manager
        manager = QgsApplication.taskManager()
        for task in manager.activeTasks():
            task.cancel()
            task.waitForFinished(10_000)
        QgsApplication.processEvents()

    @pytest.fixture(autouse=True)
    def own_settings(qgis_app):
        """What a test stores under sarto/ is gone afterwards."""
        QgsSettings().remove("sarto")
        yield
        QgsSettings().remove("sarto")
