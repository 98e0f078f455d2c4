"""Background work: a `QgsTask` with cancel and time left, and a queue that runs one after another."""

from .progress import Progress
from .queue import RunQueue
from .task import BackgroundTask

__all__ = ["BackgroundTask", "Progress", "RunQueue"]
