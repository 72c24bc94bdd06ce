"""Stage: probe and decode videos in a child process, choose frames by presentation time."""
