"""pySigma backend for DuckDB; `backends` is what pySigma's plugin discovery reads."""
