"""Presets: YAML files with sizes for one situation (demo, large)."""
