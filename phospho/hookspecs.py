"""Every extension point of phospho. Write a plugin by implementing any of these.

A plugin is a module, or an object, with functions named as below and marked with
`phospho.hookimpl`. Hand it to `phospho.init(plugins=[...])`, or let a package declare it under
the entry-point group `phospho`; the server finds it there too.

An implementation that raises or answers with something unusable costs its own answer only: it is
reported once on the `phospho` logger, and not asked again after five failures in a row. On your
app's thread, in `phospho_extract_input` and `phospho_extract_output`, an answer that took longer
than 0.25 seconds is used and counts as a failure; after slow answers in a row of more than 2
seconds together it is not asked again either. `phospho_before_send` and
`phospho_before_send_feedback` are the exception: they may be there to remove a secret, so what one
fails on is not sent, and it is asked each time however often it fails. Implementations name only
the arguments they use. Later registered plugins are asked first, the built-in ones last; extractors
that say `trylast=True` come after the built-in ones, and before what reads every value.
`wrapper=True` is not supported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from phospho.detectors import Detector, Embedder
    from phospho.extraction import Extracted
    from phospho.models import Alert, Detection, EventDefinition, Interaction

PROJECT = "phospho"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec(firstresult=True)
def phospho_extract_input(value: Any) -> Extracted | str | None:
    """Return what the user said in `value`, or None if this value is not yours.

    Called once for each logged interaction whose input is not a `str`, on the caller's thread:
    do no I/O here. The first answer that is not None wins.

    Args:
        value: What the caller passed to `phospho.log(input=...)`, untouched. Do not change it.
    """


@hookspec(firstresult=True)
def phospho_extract_output(value: Any) -> Extracted | str | None:
    """Return the text a user saw of `value`, or None if this value is not yours.

    Called once for each logged interaction whose output is not a `str`, on the caller's thread:
    do no I/O here. The first answer that is not None wins. Of a streamed output, it is called for
    each chunk that is not text, in order, once the stream is over; texts are joined.

    Args:
        value: What the caller passed to `phospho.log(output=...)`, or one chunk, untouched. Do not
            change it.
    """


@hookspec
def phospho_before_send(interaction: dict[str, Any]) -> dict[str, Any] | None:
    """Return the interaction to send, changed or not, or None to drop it.

    Called for each record before it is queued, on the caller's thread: do no I/O here.
    Implementations form a chain, each receives what the one before it returned. Where one raises
    or returns something else, the record is dropped and counted as `before_send_failed` in
    `phospho.stats().dropped`: it is never sent unchanged.

    Args:
        interaction: The record as it will be sent, a JSON-safe dict of your own: `input`,
            `output`, `task_id`, `session_id`, `user_id`, `metadata` and what else was logged.
    """


@hookspec
def phospho_before_send_feedback(feedback: dict[str, Any]) -> dict[str, Any] | None:
    """Return the feedback to send, changed or not, or None to drop it.

    Called for each `phospho.user_feedback` before it is queued, on the caller's thread: do no I/O
    here. Implementations form a chain, each receives what the one before it returned. What one
    drops is counted as `feedback_before_send` in `phospho.stats().dropped`, and where one raises
    or returns something else, as `feedback_before_send_failed`: it is never sent unchanged.

    Args:
        feedback: A dict of your own: `project_id`, `task_id`, `flag`, `notes` and `source`; all
            but the project may be changed.
    """


@hookspec
def phospho_register_detectors() -> Sequence[Detector]:
    """Return the detectors this plugin brings; each name must be unique.

    Called once when a server or worker, or `phospho detect`, starts. One that is called `language`
    or `sentiment` replaces the built-in one, whose answer is kept with every interaction.
    """


@hookspec
def phospho_register_embedders() -> Sequence[Embedder]:
    """Return the embedders this plugin brings; each id must be unique.

    Called once when a server or worker, or `phospho detect`, starts: load no model here. The
    embedder registered last, those of plugins after phospho's own, is the one that the detectors
    `semantic` and `sentiment` use.
    """


@hookspec
def phospho_event_detected(
    event: Detection, interaction: Interaction, definition: EventDefinition
) -> None:
    """Take note that an event occurred: send a message, open a ticket.

    Called by the worker after the detection is committed, at least once for each event that a
    detector finds, in new interactions and in past ones; not for one that a person adds, nor for
    one that a person rejects before the call. If an implementation raises, the call is repeated
    later with growing pauses.

    Args:
        event: The positive detection, with its score and evidence.
        interaction: The interaction in which it occurred.
        definition: The definition it answers.
    """


@hookspec
def phospho_alert_fired(alert: Alert, definition: EventDefinition) -> None:
    """Take note that an event occurs too often: page somebody, switch something off.

    Called by the worker after the alert is kept, at least once for each. If an implementation
    raises, the call is repeated later with growing pauses.

    Args:
        alert: What there is, and at what its rule fires.
        definition: The event.
    """


@hookspec
def phospho_alert_ended(alert: Alert, definition: EventDefinition) -> None:
    """Take note that an alert is over; called as `phospho_alert_fired` is, mostly after it.

    Args:
        alert: The same, with the time at which it ended.
        definition: The event.
    """
