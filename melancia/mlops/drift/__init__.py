"""What people ask and what they are answered, now against before: windows, topics, tests, reports."""
