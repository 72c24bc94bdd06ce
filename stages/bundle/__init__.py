"""Shared room: the bundle format, its writer and its reader."""
