"""Pages and pictures to look at: run report, contact sheet."""
