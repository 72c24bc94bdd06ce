"""Policy-gradient objectives and advantages: pure functions of log-probs and rewards."""
