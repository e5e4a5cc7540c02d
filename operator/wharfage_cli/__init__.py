"""The command line: `wharfage`, also `kubectl wharfage`."""
