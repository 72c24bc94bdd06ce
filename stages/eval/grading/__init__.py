"""Scores replies that were made anywhere: rows in, a verdict a row out, without video or model."""
