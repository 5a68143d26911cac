"""Jobs: the allow-list, how a job tells how far it is, and who starts it."""
