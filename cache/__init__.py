"""Content-addressed artefacts on disk: atomic, locked, verified; knows nothing of video or models."""
