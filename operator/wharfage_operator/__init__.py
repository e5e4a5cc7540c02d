"""The shell: hears the API server, asks the core what to run, and writes the difference."""
