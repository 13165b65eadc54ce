"""File backends for cachu: `file` and `diskcache`."""
