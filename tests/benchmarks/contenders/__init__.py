"""Who takes part in `tests.benchmarks.speed`, and what each does in its own process."""
