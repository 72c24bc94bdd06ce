"""Stage: benchmarks, evaluation loop, metrics."""
