"""Stage: bundles of views from frames, scores and the question."""
