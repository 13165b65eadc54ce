"""Redis and Valkey backend for cachu."""
