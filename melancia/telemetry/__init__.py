"""What the platform tells of itself while it runs: metrics, traces, logs. Never personal data."""
