"""QGIS's entry to Sarto: the action, the docks, the Processing provider. Wiring only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import QgsApplication, QgsMapLayerType
from qgis.PyQt.QtCore import QCoreApplication
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import QAction

TITLE = "Register SAR to optical"
MENU = "&Sarto"
ICON = Path(__file__).resolve().parent / "resources" / "icons" / "sarto.svg"


class SartoPlugin:
    """The plugin. What it shows is made when it is first asked for, so that QGIS starts as fast as without."""

    def __init__(self, iface: Any) -> None:
        self._iface = iface
        self._actions: list[QAction] = []
        self._provider: Any = None
        self.controller: Any = None

    def initProcessing(self) -> None:  # noqa: N802
        """Register the Processing provider; all that `qgis_process` calls."""
        from .ui.processing import SartoProvider

        self._provider = SartoProvider()
        QgsApplication.processingRegistry().addProvider(self._provider)

    def initGui(self) -> None:  # noqa: N802
        """Toolbar button, Raster menu, layer context menu, provider."""
        self.initProcessing()
        window = self._iface.mainWindow()
        open_dock = QAction(QIcon(str(ICON)), TITLE, window)
        open_dock.setObjectName("sartoRegister")
        open_dock.setToolTip("Find out how far a SAR layer is off an optical layer, and align it")
        open_dock.triggered.connect(self.show_dock)
        self._iface.addToolBarIcon(open_dock)
        self._iface.addPluginToRasterMenu(MENU, open_dock)
        table = QAction("GCP table", window)
        table.setToolTip("Ground-control points of a registration: look at them, switch them off, export them")
        table.triggered.connect(lambda: self._controller().show_table())
        compare = QAction("Compare layers", window)
        compare.setToolTip("Swipe or checkerboard between the aligned SAR layer and the optical layer")
        compare.triggered.connect(lambda: self._controller().compare_layers())
        for action in (table, compare):
            self._iface.addPluginToRasterMenu(MENU, action)
        for_layer = QAction(QIcon(str(ICON)), f"{TITLE} …", window)
        for_layer.triggered.connect(self.show_dock_for_layer)
        self._iface.addCustomActionForLayerType(for_layer, "", QgsMapLayerType.RasterLayer, True)
        self._actions = [open_dock, table, compare, for_layer]
        QCoreApplication.instance().aboutToQuit.connect(self.shut_down)

    def show_dock(self) -> None:
        """Open the dock."""
        self._controller().show()

    def show_dock_for_layer(self) -> None:
        """Open the dock with the layer on whose context menu the user clicked."""
        self._controller().show(self._iface.activeLayer())

    def unload(self) -> None:
        """Take everything away again."""
        QCoreApplication.instance().aboutToQuit.disconnect(self.shut_down)
        self.shut_down()
        if self._actions:
            self._iface.removeToolBarIcon(self._actions[0])
            self._iface.removeCustomActionForLayerType(self._actions[-1])
            for action in self._actions[:-1]:
                self._iface.removePluginRasterMenu(MENU, action)
            for action in self._actions:
                action.deleteLater()
            self._actions = []
        if self._provider is not None:
            QgsApplication.processingRegistry().removeProvider(self._provider)
            self._provider = None

    def shut_down(self) -> None:
        """End what runs; docks and map tools go."""
        if self.controller is not None:
            self.controller.shut_down()
            self.controller = None

    def _controller(self) -> Any:
        if self.controller is None:
            from .ui.controller import Controller

            self.controller = Controller(self._iface)
        return self.controller
