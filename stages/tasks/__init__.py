"""Shared room: samples, datasets, prompt formats with their parsers, verifiers."""
