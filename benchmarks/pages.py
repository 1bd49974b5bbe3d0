"""Every page and every answer of the JSON API that `queries.py` measures, by what it is called.

Names in braces are filled in with what `filling.py` has put into the database.
"""

from __future__ import annotations

# Filters that lists of sessions and of interactions share.
_FILTERS = {
    "": "",
    ", page 20": "cursor={late}",
    ", oldest": "sort=oldest",
    ", a day": "since={day}&until={day}",
    ", 7 days": "period=7d",
    ", event": "event=common",
    ", rare event": "event=rare",
    ", old event": "event=old",
    ", without event": "without=common",
    ", two events": "event=common&event=rare",
    ", event, without another": "event=common&without=often",
    ", feedback": "flag=failure",
    ", has notes": "notes=yes",
    ", user": "user={user}",
    ", heavy user": "user={heavy}",
    ", heavy user, never true": "user={heavy}&metadata=never%3Dso&event=rare",
    ", heavy user, rare event": "user={heavy}&event=rare",
    ", heavy user, without event": "user={heavy}&without=common",
    ", version": "version=v1",
    ", version and language": "version=v1&language=fr",
    ", language": "language=ja",
    ", sentiment": "sentiment=negative",
    ", model": "model=model-a",
    ", metadata": "metadata=plan%3Dpro",
    ", metadata of one": "metadata=request%3D{request}",
    ", metadata and feedback": "metadata=plan%3Dpro&flag=failure",
    ", never both": "version=v1&model=model-b",
    ", event and a day": "event=common&since={day}&until={day}",
    ", common word": "q=the",
    ", rare word": "q={rare_word}",
    ", two common words": "q=flight+refund",
    ", words never together": "q={one_half}+{other_half}",
    ", word and rare event": "q=flight&event=rare",
    ", word, without event": "q=flight&without=common",
    ", word and never both": "q=flight&version=v1&model=model-b",
    ", word and heavy user": "q=flight&user={heavy}",
    ", word and old event": "q=flight&event=old",
    ", word and a day": "q=flight&since={day}&until={day}",
    ", no such word": "q=nowhere",
}

_OF_SESSIONS = {
    "sessions, longest": "sort=longest",
    "sessions, length": "length=5-8",
    "sessions, rare length": "length=500-",
    "sessions, longest, event": "sort=longest&event=rare",
}
_OF_INTERACTIONS = {
    "interactions, position": "position=3-&event=common",
    "interactions, never there": "position=900",
}

# What lists of users can be asked for.
_OF_USERS = {
    "": "",
    ", page 20": "cursor={late_users}",
    ", oldest": "sort=oldest",
    ", most": "sort=most",
    ", id": "q=user-7",
    ", 7 days": "period=7d",
    ", event": "event=common",
    ", rare event": "event=rare",
    ", without event": "without=common",
    ", never both": "version=v1&metadata=plan%3Dpro&without=common",
    ", never of the heavy user": "version=v0",
    ", never of the heavy user, event": "version=v0&event=common&sort=most",
    ", two facts": "version=v1&model=model-b",
    ", two rare things": "event=rare&language=ja",
    ", metadata": "metadata=plan%3Dpro",
}

PAGES = {
    **{f"sessions{name}": f"sessions?{query}" for name, query in _FILTERS.items()},
    **{name: f"sessions?{query}" for name, query in _OF_SESSIONS.items()},
    **{
        f"interactions{name}": f"interactions?{query}".replace("{late}", "{late_interactions}")
        for name, query in _FILTERS.items()
    },
    **{name: f"interactions?{query}" for name, query in _OF_INTERACTIONS.items()},
    **{f"users{name}": f"users?{query}" for name, query in _OF_USERS.items()},
    "search, common word": "search?q=the",
    "search, rare word": "search?q={rare_word}",
    "search, two common words": "search?q=flight+refund",
    "search, words never together": "search?q={one_half}+{other_half}",
    "search, eleven common words": "search?q=the+a+my+please+how+when+flight+card+pin+code+app",
    "search, half a word": "search?q=flig",
    "search, an id": "search?q=s77",
    "search, page 5": "search?q=flight&cursor={late_search}",
    "transcript": "sessions/s77",
    "transcript, long session": "sessions/{long}",
    "transcript, last page": "sessions/{long}?page=99",
    "transcript, in a list": "sessions/s77?event=common",
    "transcript, in a search": "sessions/{rare_session}?q={rare_word}",
    "session by id": "session?id=s77",
    "user": "users/{user}",
    "heavy user": "users/{heavy}",
    "user by id": "user?id={user}",
    "dashboard": "dashboard",
    "dashboard, 24 hours": "dashboard?period=24h",
    "dashboard, 7 days": "dashboard?period=7d",
    "dashboard, all time": "dashboard?period=all",
    "dashboard, all time by day": "dashboard?period=all&step=day",
    "dashboard, events": "dashboard?show=events",
    "dashboard, an event": "dashboard?show=events&event={event}",
    "dashboard, users": "dashboard?show=users&period=all",
    "events": "events",
    "event": "events/{event}",
    "event, all time": "events/{event}?period=all",
    "event, rare": "events/{rare}",
    "event, later matches": "events/{event}?before={before}",
    "event, review": "events/{event}/review",
    "alert": "alerts/{rule}",
    "settings": "settings",
    "settings, an event": "settings/events/{event}",
    "settings, versions of an event": "settings/events/{event}/versions",
    "settings, members": "settings/members",
    "settings, audit log": "settings/audit-log",
    "pulse": "pulse",
    "export, sessions": "export/sessions",
    "export, interactions": "export/interactions?format=jsonl",
    "export, users": "export/users",
    "export, rare event": "export/interactions?event=rare",
}

# The JSON API, with pages of 50.
ANSWERS = {
    **{f"json: sessions{name}": f"sessions?{query}" for name, query in _FILTERS.items()},
    **{
        f"json: interactions{name}": f"interactions?{query}".replace(
            "{late}", "{late_interactions}"
        )
        for name, query in _FILTERS.items()
    },
    **{f"json: users{name}": f"users?{query}" for name, query in _OF_USERS.items()},
    "json: search, common word": "search?q=the",
    "json: search, rare word": "search?q={rare_word}",
    "json: search, two common words": "search?q=flight+refund",
    "json: search, words never together": "search?q={one_half}+{other_half}",
    "json: session": "sessions/s77",
    "json: long session": "sessions/{long}",
    "json: session by id": "session?id=s77",
    "json: interaction": "interactions/{task}",
    "json: interaction by id": "interaction?id={task}",
    "json: user": "users/{user}",
    "json: heavy user": "users/{heavy}",
    "json: user by id": "user?id={user}",
    "json: project": "",
    "json: events": "events",
    "json: events, one": "events?event=rare",
    "json: definitions": "definitions",
    "json: erasures": "erasures",
    "json: definition": "definitions/{event}",
    "json: stats": "stats",
    "json: stats, all time": "stats?period=all",
    "json: series": "stats/series?period=30d",
    "json: series, all time": "stats/series?period=all",
    "json: series, an event": "stats/series?event=common",
    "json: export, sessions": "export/sessions",
    "json: export, interactions": "export/interactions",
    "json: export, users": "export/users",
}

# The lists of the protocol that existing clients speak.
OLD_ANSWERS = {
    "v2: project": "",
    "v2: sessions": "sessions",
    "v2: tasks": "tasks",
}
