"""The gate: Great Expectations suites decide which rows go on, which wait in quarantine, and when to stop."""
