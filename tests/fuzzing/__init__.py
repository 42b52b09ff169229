"""Any bytes give a result or a clear error: a fuzzer over everything that reads a file, run by `-m tests.fuzzing`."""
