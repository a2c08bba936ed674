"""Where tests find the real PostgreSQL; `bench.push_faults` starts the same."""

from bench.postgres import Postgres, find_postgres, run_postgres

__all__ = ["Postgres", "find_postgres", "run_postgres"]
