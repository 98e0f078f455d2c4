"""What learned methods share: a search for the pose over the whole images, then tiles matched near identity.

A method brings a network (`network.PairNetwork`) and, if it likes, its own last look. The rest is here: pose
hypotheses with the structural search as their rescue, the second pass with its vote over all places, the path for
large scenes, and the calibration.
"""
