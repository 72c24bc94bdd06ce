"""Shared room: the policy model behind one small adapter per family."""
