"""Shared room: samplers (which frames), operators (what is done to them) and the guard."""
