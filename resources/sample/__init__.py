"""A generated sample scene: one landscape, seen by an optical sensor and by a radar."""
