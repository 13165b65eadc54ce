"""The backend `postgres` for cachu: entries in a table of PostgreSQL."""
