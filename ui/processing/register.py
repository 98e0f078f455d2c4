"""`sarto:register`: the whole job as a Processing algorithm."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputFile,
    QgsProcessingOutputHtml,
    QgsProcessingOutputNumber,
    QgsProcessingOutputRasterLayer,
    QgsProcessingOutputString,
    QgsProcessingOutputVectorLayer,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterGeometry,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsWkbTypes,
)

from ...core.contract import (
    MatchOptions,
    ModelOptions,
    OutputOptions,
    RadiometryOptions,
    RegisterJob,
    RegisterResult,
    Reporter,
    SartoError,
)
from ...core.pipeline import register_in_worker
from ..dock.area import Polygon, area_wkt
from ..engine import find_engine
from ..words import label_of
from .base import SartoAlgorithm
from .parameters import only_with, parameters_of

PLAIN = ("method", "range", "model")
NOT_OUTPUT = ("directory",)


class JobAlgorithm(SartoAlgorithm):
    """What `register` and `assess` share: the parameters of a job, and the job."""

    def add_job(self) -> None:
        """Layers, area, and all options but those of the output."""
        self.add_layers()
        area = QgsProcessingParameterGeometry(
            "AREA",
            "Area of interest",
            None,
            True,
            [QgsWkbTypes.GeometryType.PolygonGeometry],
        )
        area.setHelp(
            "Polygon within which to match; empty = the whole overlap of the layers. WKT in the optical layer's "
            "CRS, or with its own: CRS=EPSG:4326;POLYGON((…))"
        )
        self.addParameter(area)
        self._add_land_use_layer()
        for kind in (MatchOptions, ModelOptions, RadiometryOptions):
            for parameter in parameters_of(kind, plain=PLAIN):
                self.addParameter(parameter)
        gsd = QgsProcessingParameterNumber(
            "GSD", label_of("gsd"), QgsProcessingParameterNumber.Type.Double, None, True, 0.0
        )
        gsd.setHelp("In units of the optical layer's CRS; empty = the coarser of the two layers.")
        gsd.setFlags(gsd.flags() | QgsProcessingParameterDefinition.Flag.FlagAdvanced)
        self.addParameter(gsd)

    def _add_land_use_layer(self) -> None:
        field = RegisterJob.__dataclass_fields__["land_use_layer"]
        layer = QgsProcessingParameterRasterLayer("LAND_USE_LAYER", label_of(field.name), None, True)
        layer.setHelp(field.metadata["help"] + only_with(field))
        layer.setFlags(layer.flags() | QgsProcessingParameterDefinition.Flag.FlagAdvanced)
        self.addParameter(layer)

    def prepareAlgorithm(  # noqa: N802
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        super().prepareAlgorithm(parameters, context, feedback)
        if parameters.get("LAND_USE_LAYER") not in (None, ""):
            self.read_layer("LAND_USE_LAYER", label_of("land_use_layer"), parameters, context)
        reference = self.parameterAsRasterLayer(parameters, "REFERENCE", context)
        geometry = self.parameterAsGeometry(parameters, "AREA", context)
        crs = self.parameterAsGeometryCrs(parameters, "AREA", context)
        area = Polygon(geometry, crs if crs.isValid() else reference.crs())
        try:
            self._area = "" if geometry.isNull() or geometry.isEmpty() else area_wkt(area, reference)
            self._python = find_engine().python
        except SartoError as error:
            raise QgsProcessingException(str(error)) from error
        return True

    def job(self, parameters: dict[str, Any], context: QgsProcessingContext, output: OutputOptions) -> RegisterJob:
        """The job that the parameters describe."""
        return RegisterJob(
            self._layers["REFERENCE"],
            self._layers["MOVING"],
            area=self._area,
            gsd=self.number(parameters, "GSD", context),
            radiometry=self.options_of(RadiometryOptions, parameters, context),
            match=self.options_of(MatchOptions, parameters, context),
            model=self.options_of(ModelOptions, parameters, context),
            output=output,
            land_use_layer=self._layers.get("LAND_USE_LAYER"),
        )

    def run_job(
        self, job: RegisterJob, feedback: QgsProcessingFeedback, kinds: tuple[str, ...] | None = None
    ) -> RegisterResult | None:
        """Register in the worker; None after a cancel. The verdict and its reasons go to the log."""
        wanted = {} if kinds is None else {"kinds": kinds}

        def work(reporter: Reporter) -> RegisterResult:
            return register_in_worker(job, self._python, reporter, **wanted)

        result = self.carry_out(work, feedback, job.match.method)
        if result is not None:
            feedback.pushInfo(f"Verdict: {result.assessment.verdict.value}")
            for reason in result.assessment.reasons:
                feedback.pushInfo(f"– {reason}")
        return result


class RegisterAlgorithm(JobAlgorithm):
    """Finds GCPs, aligns the SAR layer, writes everything into a folder."""

    def name(self) -> str:
        return "register"

    def displayName(self) -> str:  # noqa: N802
        return "Register SAR to optical"

    def tags(self) -> list[str]:
        return ["sar", "radar", "sentinel", "co-registration", "georeference", "gcp", "align", "match"]

    def shortHelpString(self) -> str:  # noqa: N802
        return (
            "Finds ground-control points (GCPs) between an optical and a SAR layer, fits a transform, and writes "
            "the aligned SAR raster, the GCPs (GeoPackage, Georeferencer points, CSV, GeoJSON), a report and a "
            "record into a folder. The inputs are never changed.\n\n"
            "The verdict is 'trusted', 'usable with care' or 'not trusted'; its reasons are in the log and in the "
            "report. Errors are measured at check points that the fit has not seen."
        )

    def initAlgorithm(self, _configuration: dict[str, Any] | None = None) -> None:  # noqa: N802
        self.add_job()
        for parameter in parameters_of(OutputOptions, skip=NOT_OUTPUT):
            self.addParameter(parameter)
        self.addParameter(QgsProcessingParameterFolderDestination("FOLDER", label_of("directory")))
        self.addOutput(QgsProcessingOutputRasterLayer("ALIGNED", "Aligned SAR layer"))
        self.addOutput(QgsProcessingOutputVectorLayer("GCPS", "GCPs", QgsProcessing.SourceType.TypeVectorPoint))
        self.addOutput(QgsProcessingOutputFile("POINTS", "Georeferencer points"))
        self.addOutput(QgsProcessingOutputRasterLayer("LAND_COVER_MAP", "Land cover that the method saw"))
        self.addOutput(QgsProcessingOutputRasterLayer("SYNTHETIC_PICTURE", "Synthetic picture (painted from SAR)"))
        self.addOutput(QgsProcessingOutputFile("RECORD", "Record"))
        self.addOutput(QgsProcessingOutputHtml("REPORT", "Report"))
        self.addOutput(QgsProcessingOutputString("VERDICT", "Verdict"))
        self.addOutput(QgsProcessingOutputNumber("GCP_COUNT", "Number of GCPs"))
        self.addOutput(QgsProcessingOutputNumber("RMSE_CHECK", "RMSE of the check points (pixels)"))

    def processAlgorithm(  # noqa: N802
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        folder = self.parameterAsString(parameters, "FOLDER", context)
        output = self.options_of(OutputOptions, parameters, context, directory=folder)
        result = self.run_job(self.job(parameters, context, output), feedback)
        if result is None:
            return {}
        figures = result.assessment.figures
        extras = (("LAND_COVER_MAP", "land_cover"), ("SYNTHETIC_PICTURE", "painted"))
        return {
            **{output: result.files[kind] for output, kind in extras if kind in result.files},
            "FOLDER": folder,
            "ALIGNED": result.files["aligned"],
            "GCPS": f"{result.files['gpkg']}|layername=gcps",
            "POINTS": result.files["points"],
            "RECORD": result.files["record"],
            "REPORT": result.files["report"],
            "VERDICT": result.assessment.verdict.value,
            "GCP_COUNT": figures.gcps,
            "RMSE_CHECK": figures.rmse_check,
        }
