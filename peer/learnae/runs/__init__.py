"""Commands over finished runs: sweep, calibrate, baselines."""
