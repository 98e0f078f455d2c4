"""`sarto:warp`, `sarto:assess` and `sarto:exportgcps`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterRasterDestination,
)

from ...core.contract import InputError, ModelOptions, OutputOptions, RegisterJob, Reporter
from ...core.pipeline import Realigned, convert_gcps, displacement_left, foresee, realign
from .base import SartoAlgorithm
from .parameters import parameters_of
from .register import JobAlgorithm

GCP_FILES = "GCP files (*.gpkg *.points *.csv *.geojson)"


def _check_shared_world(job: RegisterJob) -> None:
    """Raises InputError where two layers have no common coordinates in which they could be apart."""
    forecast = foresee(job)
    if forecast.reference_grid != forecast.moving_grid:
        raise InputError(
            f"'{job.reference.label}' and '{job.moving.label}' are not both georeferenced, and differ in size: "
            "there is no distance between them to be measured.",
            "Register them instead.",
        )


def _gcp_file() -> QgsProcessingParameterFile:
    parameter = QgsProcessingParameterFile(
        "GCPS", "GCP file", QgsProcessingParameterFile.Behavior.File, "", None, False, GCP_FILES
    )
    parameter.setHelp("As Sarto or the Georeferencer wrote it; points that are switched off take no part.")
    return parameter


class WarpAlgorithm(SartoAlgorithm):
    """Aligns the SAR layer with GCPs from a file."""

    def name(self) -> str:
        return "warp"

    def displayName(self) -> str:  # noqa: N802
        return "Align with GCPs"

    def shortHelpString(self) -> str:  # noqa: N802
        return (
            "Fits a transform to the GCPs of a file and warps the SAR layer with it, without matching: for "
            "example after the GCPs were edited. Check points stay check points, but a .points file does not say "
            "which they are: all its points are fitted, and there is no held-out error."
        )

    def initAlgorithm(self, _configuration: dict[str, Any] | None = None) -> None:  # noqa: N802
        self.add_layers()
        self.addParameter(_gcp_file())
        for parameter in parameters_of(ModelOptions, skip=("tolerance_px", "check_share"), plain=("model",)):
            self.addParameter(parameter)
        for parameter in parameters_of(OutputOptions, skip=("directory", "overwrite", "land_cover", "painted")):
            self.addParameter(parameter)
        self.addParameter(QgsProcessingParameterRasterDestination("OUTPUT", "Aligned SAR layer"))
        self.addOutput(QgsProcessingOutputString("MODEL", "Transform"))
        self.addOutput(QgsProcessingOutputNumber("RMSE_FIT", "RMSE of the GCPs (pixels)"))
        self.addOutput(QgsProcessingOutputNumber("RMSE_CHECK", "RMSE of the check points (pixels)"))

    def processAlgorithm(  # noqa: N802
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        path = self.parameterAsOutputLayer(parameters, "OUTPUT", context)
        # Processing has asked already whether a file may be replaced.
        output = self.options_of(OutputOptions, parameters, context, overwrite=True)
        model = self.options_of(ModelOptions, parameters, context)
        gcps = self.parameterAsFile(parameters, "GCPS", context)

        def work(reporter: Reporter) -> Realigned:
            layers = self._layers
            return realign(layers["REFERENCE"], layers["MOVING"], gcps, path, model, output, reporter)

        done = self.carry_out(work, feedback)
        if done is None:
            return {}
        feedback.pushInfo(f"{done.model} from {done.fit.count} GCPs, RMSE {done.fit.rmse:.2f} pixels.")
        return {
            "OUTPUT": str(done.path),
            "MODEL": done.model,
            "RMSE_FIT": done.fit.rmse,
            "RMSE_CHECK": done.check.rmse,
        }


class AssessAlgorithm(JobAlgorithm):
    """Measures how well two layers lie on each other; writes nothing."""

    def name(self) -> str:
        return "assess"

    def displayName(self) -> str:  # noqa: N802
        return "Measure how well layers fit"

    def shortHelpString(self) -> str:  # noqa: N802
        return (
            "Looks for tie points between the two layers, as 'Register SAR to optical' does, and reports by how "
            "much the layers are off. The verdict says whether this measurement itself can be trusted. Nothing is "
            "written."
        )

    def initAlgorithm(self, _configuration: dict[str, Any] | None = None) -> None:  # noqa: N802
        self.add_job()
        for name, label in (
            ("MEDIAN", "Median distance between the layers (pixels)"),
            ("RMS", "Root mean square distance (pixels)"),
            ("CE90", "90 % of the tie points are closer than (pixels)"),
            ("COUNT", "Tie points"),
            ("RMSE_CHECK", "RMSE of the check points after a fit (pixels)"),
        ):
            self.addOutput(QgsProcessingOutputNumber(name, label))
        self.addOutput(QgsProcessingOutputString("VERDICT", "Verdict"))

    def processAlgorithm(  # noqa: N802
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        job = self.job(parameters, context, OutputOptions())
        self.carry_out(lambda _reporter: _check_shared_world(job), feedback)
        result = self.run_job(job, feedback, ())
        if result is None:
            return {}
        left = displacement_left(result)
        feedback.pushInfo(
            f"The layers are off by {left.median:.2f} pixels (median), {left.rmse:.2f} (RMS), "
            f"{left.ce90:.2f} (90 %)."
        )
        return {
            "MEDIAN": left.median,
            "RMS": left.rmse,
            "CE90": left.ce90,
            "COUNT": left.count,
            "RMSE_CHECK": result.assessment.figures.rmse_check,
            "VERDICT": result.assessment.verdict.value,
        }


class ExportGcpsAlgorithm(SartoAlgorithm):
    """Writes the GCPs of one file as another kind."""

    def name(self) -> str:
        return "exportgcps"

    def displayName(self) -> str:  # noqa: N802
        return "Export GCPs"

    def shortHelpString(self) -> str:  # noqa: N802
        return (
            "Writes GCPs as Georeferencer points (.points), CSV, GeoJSON or GeoPackage, as the name says. "
            "Residuals are not carried over: they belong to a transform, which GCP files do not hold."
        )

    def initAlgorithm(self, _configuration: dict[str, Any] | None = None) -> None:  # noqa: N802
        self.add_layers()
        self.addParameter(_gcp_file())
        self.addParameter(
            QgsProcessingParameterFileDestination(
                "OUTPUT",
                "Exported GCPs",
                "Georeferencer points (*.points);;CSV (*.csv);;GeoJSON (*.geojson);;GeoPackage (*.gpkg)",
            )
        )

    def processAlgorithm(  # noqa: N802
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        path = self.parameterAsFileOutput(parameters, "OUTPUT", context)
        gcps = self.parameterAsFile(parameters, "GCPS", context)

        def work(_reporter: Reporter) -> Path:
            return convert_gcps(gcps, self._layers["REFERENCE"], self._layers["MOVING"], path, overwrite=True)

        done = self.carry_out(work, feedback)
        return {} if done is None else {"OUTPUT": str(done)}
