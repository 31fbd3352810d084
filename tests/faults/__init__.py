"""Faults against the whole pipeline: every row of the contract's figures, judged by what PostgreSQL and S3 hold."""
