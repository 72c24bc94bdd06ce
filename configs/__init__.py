"""One schema per stage, presets and recipes as YAML; imports nothing heavy."""
