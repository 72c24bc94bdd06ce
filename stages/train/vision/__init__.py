"""What a frozen vision tower makes of each view, computed once ever and kept beside the bundles."""
