"""Training of the learned methods, from a manifest of pairs to weights that ship. Not part of the plugin's zip."""
