"""Everything Qt: the dock, the GCP table, map tools, background tasks, Processing algorithms.

Talks to the engine through `core.contract` and `core.pipeline` only; imports neither torch nor OpenCV.
One source runs on Qt5 and Qt6: `qgis.PyQt`, fully scoped enums, icons and styles by path.
"""
