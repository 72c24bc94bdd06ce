"""Shared room: the frame artefact, written by extract and read by score, variants and eval."""
