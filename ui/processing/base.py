"""What Sarto's Processing algorithms share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, get_args, get_type_hints

from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)
from qgis.PyQt.QtGui import QIcon

from ...core.contract import Cancelled, LayerSource, Reporter, SartoError
from ...core.pipeline import Overall
from ..dock.facts import layer_problem, layer_source
from ..words import label_of

T = TypeVar("T")

LAYERS = (("REFERENCE", "Optical layer (stays where it is)"), ("MOVING", "SAR layer (is moved)"))


class SartoAlgorithm(QgsProcessingAlgorithm):
    """An algorithm whose layers are read in the main thread and whose work knows no QGIS."""

    def __init__(self) -> None:
        super().__init__()
        self._layers: dict[str, LayerSource] = {}

    def createInstance(self) -> SartoAlgorithm:  # noqa: N802
        return type(self)()

    def icon(self) -> QIcon:
        from .provider import ICON

        return QIcon(str(ICON))

    def group(self) -> str:
        return ""

    def groupId(self) -> str:  # noqa: N802
        return ""

    def add_layers(self) -> None:
        """The two layers, each with bands and NoData."""
        for name, label in LAYERS:
            layer = QgsProcessingParameterRasterLayer(name, label)
            layer.setHelp("A raster that GDAL reads: a file, a VRT, a raster in a GeoPackage. No web services.")
            self.addParameter(layer)
        helps = {f: LayerSource.__dataclass_fields__[f].metadata["help"] for f in ("bands", "nodata")}
        for name, label in LAYERS:
            layer_name = label.split(" (")[0]
            bands = QgsProcessingParameterString(f"{name}_BANDS", f"{layer_name}: bands", LayerSource("").bands)
            nodata = QgsProcessingParameterNumber(
                f"{name}_NODATA",
                f"{layer_name}: {label_of('nodata')}",
                QgsProcessingParameterNumber.Type.Double,
                None,
                True,
            )
            for parameter, help_text in ((bands, helps["bands"]), (nodata, helps["nodata"])):
                parameter.setHelp(help_text)
                advanced = QgsProcessingParameterDefinition.Flag.FlagAdvanced
                parameter.setFlags(parameter.flags() | advanced)
                self.addParameter(parameter)

    def prepareAlgorithm(  # noqa: N802
        self, parameters: dict[str, Any], context: QgsProcessingContext, _feedback: QgsProcessingFeedback
    ) -> bool:
        """In the main thread, where layers may be touched."""
        for name, label in LAYERS:
            bands = self.parameterAsString(parameters, f"{name}_BANDS", context)
            nodata = self.number(parameters, f"{name}_NODATA", context)
            self.read_layer(name, label, parameters, context, bands, nodata)
        return True

    def read_layer(
        self,
        name: str,
        label: str,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        bands: str = "auto",
        nodata: float | None = None,
    ) -> None:
        """Keep the layer of a parameter for the job. Raises QgsProcessingException where it cannot be used."""
        layer = self.parameterAsRasterLayer(parameters, name, context)
        if layer is None:
            raise QgsProcessingException(f"{label}: '{parameters.get(name)}' is no raster that can be read.")
        problem = layer_problem(layer, name.lower())
        if problem is not None:
            raise QgsProcessingException(str(problem))
        self._layers[name] = layer_source(layer, bands, nodata)

    def number(self, parameters: dict[str, Any], name: str, context: QgsProcessingContext) -> float | None:
        """An optional number; None where it is not given, or empty as `qgis_process` passes it."""
        if parameters.get(name) in (None, ""):
            return None
        return self.parameterAsDouble(parameters, name, context)

    def options_of(
        self, kind: type[T], parameters: dict[str, Any], context: QgsProcessingContext, **fixed: Any
    ) -> T:
        """The dataclass of options from the parameters that `parameters_of(kind)` made.

        Fields without a parameter, and empty ones, keep their default. fixed: fields given by the caller.
        """
        found = {}
        for name, hint in get_type_hints(kind).items():
            definition = self.parameterDefinition(name.upper())
            if definition is not None and parameters.get(name.upper(), definition.defaultValue()) not in (
                None,
                "",
                [],
            ):
                read = self._reader(definition, get_args(hint) or (hint,))
                found[name] = read(parameters, name.upper(), context)
        return kind(**{**found, **fixed})

    def _reader(self, definition: QgsProcessingParameterDefinition, kinds: tuple[Any, ...]) -> Callable[..., Any]:
        if isinstance(definition, QgsProcessingParameterEnum):
            return self._joined if definition.allowMultiple() else self.parameterAsEnumString
        readers = ((bool, self.parameterAsBool), (str, self.parameterAsString), (int, self.parameterAsInt))
        return next((read for kind, read in readers if kind in kinds), self.parameterAsDouble)

    def _joined(self, parameters: dict[str, Any], name: str, context: QgsProcessingContext) -> str:
        """Several values of an enum as the contract has them: one text."""
        return ",".join(self.parameterAsEnumStrings(parameters, name, context))

    @staticmethod
    def carry_out(work: Callable[[Reporter], T], feedback: QgsProcessingFeedback, method: str = "") -> T | None:
        """Do the work with Processing's progress, log and cancel; None after a cancel. method: that matches.

        Raises QgsProcessingException with message and way out.
        """
        overall, stage_now = Overall(method=method), [""]

        def progress(stage: str, fraction: float) -> None:
            if stage != stage_now[0]:
                stage_now[0] = stage
                feedback.setProgressText(stage)
            feedback.setProgress(100 * overall.update(stage, fraction)[0])

        try:
            return work(Reporter(progress, feedback.pushInfo, feedback.isCanceled))
        except Cancelled:
            return None
        except SartoError as error:
            raise QgsProcessingException(str(error)) from error
