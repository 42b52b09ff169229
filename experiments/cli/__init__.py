"""The command line around the experiments: what is typed, what is checked, and what a run leaves behind."""
