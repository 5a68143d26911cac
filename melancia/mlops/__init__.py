"""What keeps proving which model deserves to answer: traces, runs, comparisons."""
