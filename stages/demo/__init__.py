"""The built-in world: procedural videos, questions with exact answers, tiny models."""
