"""Shared room: which frames a variant shows (samplers), what is done to them (operators, guard)."""
