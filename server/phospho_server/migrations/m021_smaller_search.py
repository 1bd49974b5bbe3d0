"""The search index without the places of words, which were a tenth of the database."""

from __future__ import annotations

from sqlite_utils import Database

from phospho_server.migrations.steps import migrations, run

_SMALLER_SEARCH = """
-- What is indexed. The word that all of a project have is none that a person types: it begins with
-- a character for private use.
create view interactions_words as
    select id, input, output, char(57344) || hex(project_id) as project from interactions;

-- Which words are in which interaction, and nothing more: whether some stand side by side is read
-- from the texts.
drop table interactions_fts;
create virtual table interactions_fts using fts5 (
    input, output, project,
    content = 'interactions_words', content_rowid = 'id', detail = none, columnsize = 0
);
insert into interactions_fts (interactions_fts) values ('rebuild');
"""


@migrations()
def m021_smaller_search(db: Database) -> None:
    """The search index without the places of words."""
    run(db, _SMALLER_SEARCH)
