"""The schema, one append-only step at a time, each in a module of its name.

A shipped step is never edited; a new one goes at the end of `STEPS`. People query the file with
Datasette or pandas, so the tables are part of what we document: `project_id` leads every key, times
are UTC milliseconds (`*_at_ms`), flags are 0 or 1.
"""

from __future__ import annotations

from phospho_server.migrations import (
    m001_first_schema,
    m002_steps,
    m003_reviews,
    m004_llm,
    m005_reviews_more,
    m006_versions,
    m007_language,
    m008_vectors,
    m009_llm_later_and_values,
    m010_accounts,
    m011_facts,
    m012_dashboard,
    m013_settings,
    m014_session_details,
    m015_llm_limits,
    m016_spans,
    m017_alerts,
    m018_processes,
    m019_reading_at_scale,
    m020_erasures,
    m021_smaller_search,
    m022_quicker_figures,
    m023_told_of_sessions,
)
from phospho_server.migrations.steps import migrations

# In the order in which they are carried out.
STEPS = (
    m001_first_schema,
    m002_steps,
    m003_reviews,
    m004_llm,
    m005_reviews_more,
    m006_versions,
    m007_language,
    m008_vectors,
    m009_llm_later_and_values,
    m010_accounts,
    m011_facts,
    m012_dashboard,
    m013_settings,
    m014_session_details,
    m015_llm_limits,
    m016_spans,
    m017_alerts,
    m018_processes,
    m019_reading_at_scale,
    m020_erasures,
    m021_smaller_search,
    m022_quicker_figures,
    m023_told_of_sessions,
)

__all__ = ["STEPS", "migrations"]
