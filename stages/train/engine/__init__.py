"""Rollout and update of a policy behind one seam, in one process or several."""
