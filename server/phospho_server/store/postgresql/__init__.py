"""The store on PostgreSQL; needs the extra `postgres`."""
