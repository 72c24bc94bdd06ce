"""What a comparison's runs amount to: statistics, the content of compare.json, its tables and sentences."""
