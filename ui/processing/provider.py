"""The Processing provider."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .algorithms import AssessAlgorithm, ExportGcpsAlgorithm, WarpAlgorithm
from .register import RegisterAlgorithm

ICON = Path(__file__).resolve().parents[2] / "resources" / "icons" / "sarto.svg"


class SartoProvider(QgsProcessingProvider):
    """`sarto` in the toolbox, in models, in batch mode and in `qgis_process`."""

    def id(self) -> str:
        return "sarto"

    def name(self) -> str:
        return "Sarto"

    def longName(self) -> str:  # noqa: N802
        return "Sarto: SAR to optical registration"

    def supportedOutputRasterLayerExtensions(self) -> list[str]:  # noqa: N802
        return ["tif"]

    def icon(self) -> QIcon:
        return QIcon(str(ICON))

    def loadAlgorithms(self) -> None:  # noqa: N802
        for kind in (RegisterAlgorithm, WarpAlgorithm, AssessAlgorithm, ExportGcpsAlgorithm):
            self.addAlgorithm(kind())
