"""Sarto's engine: two rasters in, checked GCPs and an aligned raster out. Never imports QGIS."""
