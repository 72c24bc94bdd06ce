"""Room archive: videos inside zip files, listed with limits and read where they lie."""
