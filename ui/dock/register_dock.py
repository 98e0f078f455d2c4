"""The dock 'Register SAR to optical': what, where, how; what will happen; run or cancel."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from qgis.core import QgsMapLayer, QgsProject
from qgis.gui import QgsDockWidget
from qgis.PyQt.QtCore import Qt, QTimer, pyqtSignal
from qgis.PyQt.QtWidgets import QFrame, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from ...core.contract import RegisterJob, SartoError, check_options
from ...core.pipeline import METHODS, foresee
from ..run import Progress
from ..run.speed import corrected
from .advanced_box import AdvancedBox
from .area_box import AreaBox
from .editors import WheelGuard
from .forecaster import Answer, Forecaster, Question
from .layers_box import LayersBox
from .looks import align_labels, labels_of, thin_line
from .notes import Notes
from .options_form import OptionsForm, job_fields, main_specs
from .output_box import OutputBox, planned_folder
from .placement import place_of
from .run_row import RunRow
from .sentences import forecast_sentence, verdict_sentence
from .settings import load_settings, save_settings, section
from .tones import PLAIN, PROBLEM


class RegisterDock(QgsDockWidget):
    """Collects a `RegisterJob` and shows what becomes of it. It runs nothing itself.

    run_requested(RegisterJob, float): run it now, or behind the run in work; the seconds that it is expected to
    take on a typical computer (see `run.speed`), NaN if unknown. cancel_requested(): stop the run in work.
    waiting_cancel_requested(): take the last of the waiting runs out of the queue.
    engine_settings_requested(): open the engine's settings.
    """

    run_requested = pyqtSignal(object, float)
    cancel_requested = pyqtSignal()
    waiting_cancel_requested = pyqtSignal()
    engine_settings_requested = pyqtSignal()

    def __init__(
        self,
        iface: Any,
        parent: QWidget | None = None,
        *,
        foresee: Callable[[RegisterJob], Any] = foresee,
    ) -> None:
        super().__init__("Register SAR to optical", parent)
        self.setObjectName("SartoRegisterDock")
        self.setAllowedAreas(Qt.DockWidgetArea.LeftDockWidgetArea | Qt.DockWidgetArea.RightDockWidgetArea)
        self._is_quiet = False
        self._is_open = True
        self._error: SartoError | None = None
        self._run_problem: tuple[str, SartoError] | None = None
        self._expected_seconds = math.nan
        self._make_boxes(iface.mapCanvas())
        self._lay_out()
        self._forecaster = Forecaster(foresee, self)
        self._save_timer = self._timer(self._save)
        self._guess_timer = self._timer(self._guess)
        self._refresh_timer = self._timer(self._refresh)
        self._connect()
        self._restore()
        self._follow_project()  # last: a dock that could not be made must not be called

    def _timer(self, slot: Callable[[], None]) -> QTimer:
        """A timer that runs a slot once, after all that is going on has settled."""
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(0)
        timer.timeout.connect(slot)
        return timer

    def _make_boxes(self, canvas: Any) -> None:
        self.body = QWidget()
        self.layers = LayersBox(self.body)
        self.area = AreaBox(canvas, self.body)
        self.method = OptionsForm({"": main_specs(METHODS)}, self.body)
        self.output = OutputBox(self.body)
        self.advanced = AdvancedBox(self.method, self.body)
        self.run_row = RunRow()
        forms = (self.layers, self.method, self.advanced.options)
        self.notes = Notes(forms, {"area": self.area.note, "folder": self.output.note})

    def _lay_out(self) -> None:
        inside = QVBoxLayout(self.body)
        inside.setContentsMargins(8, 8, 8, 8)
        inside.setSpacing(8)
        for box in (self.layers, thin_line(), self.area, self.method, self.output, self.advanced):
            inside.addWidget(box)
        inside.addStretch(1)
        align_labels([*labels_of(self.area.form), *self.method.labels, *labels_of(self.output.form)])
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(self.body)
        self.body.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.scroll = scroll
        frame = QWidget(self)
        column = QVBoxLayout(frame)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(scroll, 1)
        column.addWidget(thin_line())
        column.addWidget(self.run_row)
        self.run_row.layout().setContentsMargins(8, 8, 8, 8)
        frame.setMinimumWidth(300)
        self.setWidget(frame)
        self._wheel_guard = WheelGuard(self)
        self._wheel_guard.guard(self.body)

    def _connect(self) -> None:
        for box in (self.layers, self.area, self.method, self.output, self.advanced):
            box.changed.connect(self._on_changed)
        self.advanced.settings_requested.connect(self.engine_settings_requested)
        self.layers.swap_button.clicked.connect(self._swap_nodata)
        self.run_row.run_clicked.connect(self._run)
        self.run_row.cancel_clicked.connect(self.cancel_requested)
        self.run_row.waiting_cancelled.connect(self.waiting_cancel_requested)
        self.addAction(self.run_row.run_action)
        self._forecaster.answered.connect(self._on_answer)
        self.closedStateChanged.connect(self._on_closed)

    def _follow_project(self) -> None:
        project = QgsProject.instance()
        self._project_slots: list[tuple[Any, Callable[..., None]]] = [
            (project.layersAdded, self._on_layers),
            (project.layersRemoved, self._on_layers),
            (project.cleared, self._on_cleared),
            (project.readProject, self._on_project_read),
        ]
        for signal, slot in self._project_slots:
            signal.connect(slot)

    # What others call

    def job(self) -> RegisterJob | None:
        """The job as set, None while a setting does not allow it. Its folder is a new one; looks at the disk."""
        if self._problems():
            return None
        job = self._job_without_folder()
        try:
            folder = self.output.plan(job.moving.label)
        except SartoError:
            return None
        return replace(job, output=replace(job.output, directory=folder))

    def choose_layer(self, layer: QgsMapLayer) -> None:
        """Put a layer into the box where it seems to belong."""
        self.layers.choose_layer(layer)

    def show_engine(self, text: str, is_ok: bool) -> None:
        """The engine's state as one line. While it is not ok, nothing can be run."""
        self.advanced.show_engine(text, is_ok)
        self._refresh_timer.start()

    def show_running(self, title: str | None, waiting: int) -> None:
        """title: of the run in work, None when there is none. waiting: number of runs behind it."""
        self.run_row.show_running(title, waiting)
        if title is None:
            self._refresh_timer.start()  # a folder was used, perhaps: the forecast names the next one

    def show_progress(self, progress: Progress) -> None:
        """Stage and time left of the run in work."""
        self.run_row.show_progress(progress)

    def show_problem(self, error: SartoError, job: RegisterJob | None = None) -> None:
        """An error of a run: at the control it belongs to, else above the buttons.

        job: what was run; where the dock is set to something else by now, no control is to blame.
        """
        self.run_row.result.say("", PLAIN)
        now = self._job_or_none()
        is_other = job is not None and (now is None or replace(now, area=job.area, output=job.output) != job)
        place = "" if is_other else place_of(error, now)
        if self.notes.at(place) is None:
            self.run_row.problem.say(str(error), PROBLEM)
        else:
            self._run_problem = place, error  # stays until a setting is changed
            self._show_at(place, error)

    def show_result(self, text: str, level: str) -> None:
        """The verdict on the last run. level: a `Verdict`'s value; "" with an empty text clears the line."""
        self.run_row.problem.say("", PLAIN)
        self.run_row.result.say(*verdict_sentence(text, level))

    def release_folder(self, folder: str) -> None:
        """A run has ended without results: its folder may be given to the next."""
        self.output.release(folder)
        self._refresh_timer.start()

    def shut_down(self) -> None:
        """Leave nothing behind: no rubber band, no map tool, no thread, no connection. May be called twice."""
        if not self._is_open:
            return
        self._is_open = False
        for signal, slot in self._project_slots:
            signal.disconnect(slot)
        for timer in (self._save_timer, self._guess_timer, self._refresh_timer):
            timer.stop()
        self.area.shut_down()
        self._forecaster.shut_down()

    # From settings to a job

    def _values(self) -> dict[str, Any]:
        return {**self.method.values(), **self.advanced.options.values()}

    def _job_or_none(self) -> RegisterJob | None:
        values = self._values()
        sources = [self.layers.source(box, values[f"{box}.nodata"]) for box in ("reference", "moving")]
        if sources[0] is None or sources[1] is None:
            return None
        return RegisterJob(reference=sources[0], moving=sources[1], **job_fields(values))

    def _job_without_folder(self) -> RegisterJob:
        """Call it where `_problems` found nothing. The area is known to be expressible then."""
        job = self._job_or_none()
        reference = self.layers.reference.layer
        if job is None or reference is None:
            raise SartoError("No layers are chosen.", "Choose an optical and a SAR layer.")
        return replace(job, area=self.area.wkt(reference))

    def _problems(self) -> dict[str, SartoError]:
        """Place → what is wrong, as far as can be told at once."""
        found = self.layers.problems()
        found |= self.method.problems() | self.advanced.options.problems()
        reference = self.layers.reference.layer
        if reference is not None and "reference" not in found:
            try:
                self.area.wkt(reference)
            except SartoError as error:
                found["area"] = error
        if self.area.is_missing:
            found["area"] = SartoError("No polygon is drawn yet.", "Draw it on the map, or choose another area.")
        job = self._job_or_none() if not found else None
        if job is not None:
            try:
                check_options(job)
            except SartoError as error:
                found[place_of(error, job)] = error
        return found

    # What happens when something changes

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Changes by the program: they are not the user's, so the project does not remember them."""
        before, self._is_quiet = self._is_quiet, True
        try:
            yield
        finally:
            self._is_quiet = before

    def _on_changed(self) -> None:
        if not self._is_open:
            return
        self._run_problem = None
        if not self._is_quiet:
            self._save_timer.start()
        self._refresh_timer.start()

    def _refresh(self) -> None:
        """Check what can be checked at once, and have the rest foreseen."""
        self.notes.clear()
        if self._run_problem is not None:
            self._show_at(*self._run_problem)
        self._forecaster.forget()
        problems = self._problems()
        # Two empty boxes are no mistake but the state in which the dock opens.
        is_fresh = all(row.layer is None for row in self.layers.rows.values())
        if problems:
            for place, error in problems.items():
                if not is_fresh and not (place == "area" and self.area.is_drawing):
                    self._show_at(place, error)
            text = "Choose an optical and a SAR layer." if is_fresh else "Not ready: see the notes above."
            self.run_row.forecast_label.say(text, PLAIN)
            self.run_row.set_ready(False, str(next(iter(problems.values()))))
            return
        job = self._job_without_folder()
        plan = partial(planned_folder, self.output.folder, job.moving.label, self.output.taken)
        self._forecaster.ask(Question(job, plan))
        if self._error is not None or not self.advanced.engine_is_ok:
            self.run_row.set_ready(False, "The layers are being looked at")
        if not self.run_row.is_ready:
            self.run_row.forecast_label.say("Looking at the layers…", PLAIN)

    def _on_answer(self, answer: Answer) -> None:
        self._error = answer.error
        label = self.run_row.forecast_label
        if answer.error is not None:
            place = place_of(answer.error, answer.job)
            if self.notes.at(place) is None:
                label.say(str(answer.error), PROBLEM)
            else:
                self._show_at(place, answer.error)
                label.say("Not ready: see the note above.", PLAIN)
            self.run_row.set_ready(False, str(answer.error))
            return
        self._expected_seconds = answer.forecast.seconds
        here = corrected(self._expected_seconds)
        label.say(forecast_sentence(answer.forecast, here, answer.folder, not self.output.folder), PLAIN)
        is_ok = self.advanced.engine_is_ok
        self.run_row.set_ready(is_ok, "" if is_ok else "The engine is not ready: see Advanced ▸ Engine.")

    def _run(self) -> None:
        job = self.job()
        if job is None:
            self._refresh()
            return
        self.output.take(job.output.directory)
        self.layers.keep()
        self._run_problem = None
        self._save_timer.start()
        self.run_row.result.say("", PLAIN)
        self.run_row.problem.say("", PLAIN)
        self.run_requested.emit(job, self._expected_seconds)
        self._refresh_timer.start()  # the next run gets another folder

    def _swap_nodata(self) -> None:
        """A NoData value goes with its layer."""
        values = self.advanced.options.values()
        first, second = "reference.nodata", "moving.nodata"
        self.advanced.options.set_values({first: values[second], second: values[first]})

    def _show_at(self, place: str, error: SartoError) -> None:
        note = self.notes.at(place)
        if note is None:
            return
        if note in self.advanced.options.notes.values() and self.advanced.isCollapsed():
            self.advanced.setCollapsed(False)
            QTimer.singleShot(0, partial(self.scroll.ensureWidgetVisible, note))
        note.say(str(error), PROBLEM)

    # Project and dock

    def _on_layers(self, *_: object) -> None:
        self._guess_timer.start()

    def _guess(self) -> None:
        with self._quietly():
            self.layers.guess()

    def _on_cleared(self) -> None:
        self._save_timer.stop()
        with self._quietly():
            self._reset()

    def _on_project_read(self, *_: object) -> None:
        self._save_timer.stop()
        self._restore()

    def _on_closed(self, is_closed: bool) -> None:
        self.area.show_on_map(not is_closed)

    def _reset(self) -> None:
        self.layers.clear()
        self.area.remove()
        self.method.reset()
        self.advanced.options.reset()
        self.output.folder = ""
        self.run_row.result.say("", PLAIN)
        self.run_row.problem.say("", PLAIN)

    def _restore(self) -> None:
        """Show what the project remembers, and guess the rest."""
        state = load_settings(QgsProject.instance())
        options, folder = section(state, "options", int, float, type(None)), state.get("folder", "")
        with self._quietly():
            self._reset()
            self.layers.restore(section(state, "layers"))
            self.area.restore(section(state, "area"))
            self.method.set_values(options)
            self.advanced.options.set_values(options)
            self.output.folder = folder if isinstance(folder, str) else ""
        self._refresh_timer.start()

    def _save(self) -> None:
        state: dict[str, Any] = {
            "layers": self.layers.state(),
            "area": self.area.state(),
            "options": {**self.method.changed_values(), **self.advanced.options.changed_values()},
            "folder": self.output.folder,
        }
        save_settings(QgsProject.instance(), {key: value for key, value in state.items() if value})
