"""Many runs at once (sweep), and what is computed from finished ones: calibration, baselines, figures, reports."""
