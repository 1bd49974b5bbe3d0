"""The schema in PostgreSQL: a file of SQL for each step, never edited once released."""
