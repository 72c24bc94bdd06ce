"""Stage extract: videos become frames with their true times, decoded forward in a child process."""
