"""Sarto registers SAR images to optical images: a QGIS plugin with an engine of its own."""
