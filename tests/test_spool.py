"""The spool: what is on disk, who may send it, and what becomes of it when something fails."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import phospho
from phospho import Client, spool
from phospho.backlog import Backlog, Item, Stats
from phospho.errors import ConfigurationError
from phospho.segment import FIRST_RECORD, Segment
from phospho.spool import Spool
from tests.conftest import ClientFactory
from tests.loopback import Loopback, Reply, Request, free_port, serve_phospho
from tests.processes import PATIENT, run_script
from tests.waiting import PATIENCE_S, wait_until


def record(number: int, text: str = "") -> Item:
    return Item(100, {"task_id": f"t{number}", "input": text or f"i{number}"})


def feedback(about: str) -> Item:
    return Item(50, {"human_eval": "success"}, about)


def spooling(folder: Path, project_id: str = "proj") -> Backlog:
    return Backlog(spool=Spool(folder, project_id))


def die(backlog: Backlog) -> None:
    """Leave everything as a killed process does: its locks are gone, and nothing else happens."""
    assert backlog._spool is not None
    for opened in backlog._spool._segments:
        opened.close()
    backlog._spool._segments.clear()
    backlog._spool._active = None


def deliver(backlog: Backlog) -> list[str]:
    """Take and settle everything; return the ids in the order in which they came."""
    ids = []
    while batch := backlog.take():
        ids += [item.task_id or item.body["task_id"] for item in batch]
        backlog.settle(len(batch))
    return ids


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.spool"))


def is_consistent(stats: Stats) -> bool:
    told = stats.sent + stats.queued + stats.spooled + stats.not_sampled
    dropped = sum(n for why, n in stats.dropped.items() if not why.startswith("feedback"))
    return stats.logged + stats.adopted == told + dropped


def test_what_is_logged_is_on_disk_when_log_returns_and_gone_when_it_is_sent(
    make_client: ClientFactory, loopback: Loopback, tmp_path: Path
) -> None:
    client = make_client(spool_dir=tmp_path / "spool", tick=3000)
    logged = client.log("Hello", metadata={"a": ["ü"]})
    client.user_feedback(logged["task_id"], "success")
    (file,) = files(tmp_path / "spool")
    first, *lines = file.read_bytes().splitlines()
    assert first == b"phospho spool 1 %020d" % FIRST_RECORD
    for line in lines:
        checksum, _, data = line.partition(b" ")
        assert int(checksum, 16) == zlib.crc32(data)
    assert json.loads(lines[0][9:]) == logged
    assert json.loads(lines[1][9:])[0] == logged["task_id"]
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert client.stats() == Stats(logged=1, spooled=1)
    assert client.flush()
    assert loopback.events == [logged]
    assert [request.body["human_eval"] for request in loopback.feedback] == ["success"]
    assert file.stat().st_size == FIRST_RECORD
    assert client.stats() == Stats(logged=1, sent=1)
    assert client.close(PATIENCE_S)
    assert files(tmp_path / "spool") == []


def test_the_next_process_sends_what_the_last_one_left(
    make_client: ClientFactory, loopback: Loopback, tmp_path: Path
) -> None:
    backlog = spooling(tmp_path)
    for number in range(250):
        backlog.put(record(number))
    backlog.settle(len(backlog.take()))
    die(backlog)
    client = make_client(spool_dir=tmp_path)
    assert client.flush()
    assert [event["task_id"] for event in loopback.events] == [f"t{n}" for n in range(100, 250)]
    assert client.stats() == Stats(adopted=150, sent=150)
    assert files(tmp_path) == []


def test_a_process_sends_what_was_left_beside_its_own(tmp_path: Path) -> None:
    dead = spooling(tmp_path)
    dead.put(record(1))
    die(dead)
    living = spooling(tmp_path)
    living.put(record(2))
    # Its own file was begun before it looked for others'.
    assert deliver(living) == ["t2", "t1"]
    living.put(record(3))
    dead = spooling(tmp_path)
    dead.put(record(4))
    die(dead)
    living.adopt()
    living.put(record(5))
    assert deliver(living) == ["t3", "t4", "t5"]
    assert living.stats() == Stats(logged=3, adopted=2, sent=5)


def test_a_file_belongs_to_one_process_at_a_time(tmp_path: Path) -> None:
    first = spooling(tmp_path)
    first.put(record(1))
    second, third = spooling(tmp_path), spooling(tmp_path)
    assert second.take() == []
    die(first)
    second.adopt()
    third.adopt()
    assert (deliver(second), deliver(third)) == (["t1"], [])


def test_files_of_other_projects_are_left_alone(tmp_path: Path) -> None:
    other = spooling(tmp_path, "other")
    other.put(record(1))
    die(other)
    mine = spooling(tmp_path)
    assert mine.take() == []
    assert len(files(tmp_path)) == 1


def test_a_living_process_looks_for_what_others_left(
    make_client: ClientFactory,
    loopback: Loopback,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spool, "SCAN_INTERVAL_S", 0.05)
    client = make_client(spool_dir=tmp_path)
    client.log("own")
    wait_until(lambda: len(loopback.events) == 1)
    dead = spooling(tmp_path)
    dead.put(record(1))
    die(dead)
    wait_until(lambda: len(loopback.events) == 2)


def test_a_second_init_sends_what_the_first_could_not(tmp_path: Path) -> None:
    phospho.init("k", "proj", base_url=f"http://127.0.0.1:{free_port()}", spool_dir=tmp_path)
    phospho.log("first")
    with serve_phospho() as loopback:
        assert phospho.flush(0.1) is False
        phospho.init("k", "proj", base_url=loopback.url, spool_dir=tmp_path)
        assert phospho.flush()
        assert [event["input"] for event in loopback.events] == ["first"]


def test_what_is_released_is_nobodys_until_it_is_adopted(tmp_path: Path) -> None:
    former = spooling(tmp_path)
    for number in range(130):
        former.put(record(number))
    assert len(former.take()) == 100
    former.release_spool()
    later = spooling(tmp_path)
    assert len(deliver(later)) == 130
    # An answer to what the former one had under way comes late, and so does an interaction.
    former.settle(100)
    former.put(record(130))
    assert former.stats() == Stats(logged=131, spooled=131)
    assert deliver(former) == ["t130"]
    former.close()
    later.close()
    assert files(tmp_path) == []


def test_feedback_comes_alone_and_in_its_place(tmp_path: Path) -> None:
    backlog = spooling(tmp_path)
    for item in (record(1), record(2), feedback("t1"), feedback("t2"), record(3)):
        backlog.put(item)
    batches = []
    while batch := backlog.take():
        batches.append([item.task_id or item.body["task_id"] for item in batch])
        backlog.settle(len(batch))
    assert batches == [["t1", "t2"], ["t1"], ["t2"], ["t3"]]
    assert backlog.stats() == Stats(logged=3, sent=3)


def test_batches_from_disk_are_bounded_in_bytes(tmp_path: Path) -> None:
    backlog = spooling(tmp_path)
    for number in range(5):
        backlog.put(record(number, "x" * 400_000))
    backlog.put(record(5, "x" * 3_000_000))
    sizes = []
    while batch := backlog.take():
        sizes.append(len(batch))
        backlog.settle(len(batch))
    assert sizes == [2, 2, 1, 1]


def test_files_are_succeeded_and_deleted_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "SEGMENT_BYTES", 5_000)
    backlog = spooling(tmp_path)
    for number in range(200):
        backlog.put(record(number, "x" * 50))
    count = len(files(tmp_path))
    assert count > 3
    backlog.settle(len(backlog.take()))
    assert 0 < len(files(tmp_path)) < count
    deliver(backlog)
    assert backlog.stats() == Stats(logged=200, sent=200)
    backlog.close()
    assert files(tmp_path) == []


@given(st.lists(st.text(max_size=30), min_size=1, max_size=5), st.data())
@settings(deadline=None, max_examples=150)
def test_a_torn_record_is_skipped_and_counted_and_costs_no_other(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    dead = spooling(folder)
    ends = [FIRST_RECORD]
    for number, text in enumerate(texts):
        dead.put(record(number, text))
        ends.append(files(folder)[0].stat().st_size)
    die(dead)
    (file,) = files(folder)
    size = data.draw(st.integers(0, ends[-1]))
    os.truncate(file, size)
    backlog = spooling(folder)
    # A record whose line only lacks its end is whole.
    whole = sum(end - 1 <= size for end in ends[1:])
    assert deliver(backlog) == [f"t{n}" for n in range(whole)]
    is_torn = size > FIRST_RECORD and size not in {*ends, *(end - 1 for end in ends)}
    assert backlog.stats().dropped == ({"damaged_on_disk": 1} if is_torn else {})
    assert is_consistent(backlog.stats())
    assert files(folder) == []


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_a_damaged_byte_costs_its_own_record_or_two(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    dead = spooling(folder)
    for number in range(8):
        dead.put(feedback(f"t{number}") if number == 3 else record(number))
    die(dead)
    (file,) = files(folder)
    content = bytearray(file.read_bytes())
    place = data.draw(st.integers(FIRST_RECORD, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    file.write_bytes(content)
    backlog = spooling(folder)
    flush = backlog.begin_flush()
    arrived = deliver(backlog)
    expected = [f"t{n}" for n in range(8)]
    assert [task_id for task_id in expected if task_id in arrived] == arrived
    # The last line's end may become anything.
    assert len(arrived) >= 6
    assert is_consistent(backlog.stats())
    assert backlog.is_reached(flush)
    assert backlog.end_flush(flush) is (arrived == expected)
    assert files(folder) == []


def test_a_file_of_something_else_is_left_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backlog = spooling(tmp_path)
    backlog.put(record(1))
    (file,) = files(tmp_path)
    foreign = file.with_name(f"{file.name[:17]}foreign.spool")
    foreign.write_bytes(b"phospho spool 2 something of a later version\n")
    link = file.with_name(f"{file.name[:17]}link.spool")
    link.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_bytes(b"")
    assert deliver(backlog) == ["t1"]
    backlog.adopt()
    assert foreign.exists()
    assert (tmp_path / "elsewhere").exists()
    assert len(caplog.records) == 2
    assert "was not written by this version of phospho" in caplog.text


def test_a_process_killed_while_it_made_its_file_leaves_nothing(tmp_path: Path) -> None:
    backlog = spooling(tmp_path)
    backlog.put(record(1))
    (file,) = files(tmp_path)
    file.with_name(f"{file.name[:17]}empty.spool").write_bytes(b"")
    backlog.adopt()
    assert files(tmp_path) == [file]


def test_a_full_folder_leaves_the_newest_in_memory_and_is_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(spool, "MAX_SPOOL_BYTES", 2_000)
    backlog = spooling(tmp_path)
    for number in range(60):
        backlog.put(record(number))
    assert sum(file.stat().st_size for file in files(tmp_path)) <= 2_000
    stats = backlog.stats()
    assert (stats.queued > 10, stats.spooled > 10, stats.logged) == (True, True, 60)
    assert sorted(deliver(backlog)) == sorted(f"t{n}" for n in range(60))
    backlog.put(record(60))
    assert backlog.stats() == Stats(logged=61, sent=60, spooled=1)
    (warning,) = caplog.records
    assert "is full" in warning.getMessage()


def test_many_left_files_are_taken_over_a_few_at_a_time(
    make_client: ClientFactory, loopback: Loopback, tmp_path: Path
) -> None:
    for number in range(30):
        dead = spooling(tmp_path)
        dead.put(record(number))
        die(dead)
    backlog = spooling(tmp_path)
    backlog.adopt()
    assert backlog._spool is not None
    assert len(backlog._spool._segments) == spool.MAX_ADOPTED_AT_ONCE
    die(backlog)
    client = make_client(spool_dir=tmp_path)
    assert client.flush()
    assert len(loopback.events) == client.stats().sent == client.stats().adopted == 30
    assert files(tmp_path) == []


def test_an_exception_in_the_middle_of_a_record_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backlog = Backlog(spool=Spool(tmp_path, "proj", fsync=True))
    backlog.put(record(1))

    def interrupt(fd: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            backlog.put(record(2, "a long one " * 20))
    backlog.put(record(3))
    backlog.settle(len(backlog.take()))
    backlog.put(record(4))
    die(backlog)
    assert deliver(spooling(tmp_path)) == ["t4"]
    assert backlog.stats().sent == 2


@pytest.mark.parametrize("call", ["ftruncate", "pwrite"])
def test_a_file_that_cannot_be_emptied_is_given_up_before_it_swallows_more(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backlog = spooling(tmp_path)
    backlog.put(record(1))
    batch = backlog.take()
    with monkeypatch.context() as patched:
        patched.setattr(os, call, lambda *args: (_ for _ in ()).throw(OSError(5)))
        backlog.settle(len(batch))
    backlog.put(record(2))
    assert backlog.stats() == Stats(logged=2, sent=1, spooled=1)
    die(backlog)
    assert deliver(spooling(tmp_path)) == ["t2"]


def test_a_file_that_somebody_removed_is_not_appended_to_once_it_is_empty(tmp_path: Path) -> None:
    backlog = spooling(tmp_path)
    backlog.put(record(1))
    backlog.settle(len(backlog.take()))
    shutil.rmtree(tmp_path)
    backlog.put(record(2))
    die(backlog)
    assert deliver(spooling(tmp_path)) == ["t2"]


def test_a_file_that_the_app_closed_is_not_written_to(tmp_path: Path) -> None:
    backlog = spooling(tmp_path / "spool")
    backlog.put(record(1))
    assert backlog._spool is not None
    fd = backlog._spool._segments[0]._fd
    with (tmp_path / "the apps own").open("w+") as own:
        os.dup2(own.fileno(), fd)
        backlog.put(record(2))
        # With the descriptor went the lock: the first is found again, as one that was left.
        assert deliver(backlog) == ["t2", "t1"]
        backlog.close()
        assert own.read() == ""
        os.close(fd)
    assert files(tmp_path / "spool") == []


def test_without_standard_streams_nothing_is_printed_into_a_file(
    tmp_path: Path, loopback: Loopback
) -> None:
    done = run_script(
        f"""
        import os, sys
        os.close(1), os.close(2)
        import phospho
        phospho.init(spool_dir={str(tmp_path)!r}, tick=3000)
        phospho.log("i")
        for fd in (1, 2):
            try: os.write(fd, b"printed")
            except OSError: pass
        phospho.log("j")
        """,
        loopback.url,
    )
    assert done.returncode == 0
    assert [event["input"] for event in loopback.events] == ["i", "j"]
    assert files(tmp_path) == []


def test_a_folder_that_others_had_filled_is_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "MAX_SPOOL_BYTES", 2_000)
    backlog = spooling(tmp_path)
    (tmp_path / "another.spool").write_bytes(b"x" * 1_990)
    for number in range(3):
        backlog.put(record(number))
    # The others are measured when the first file is made.
    assert (backlog.stats().spooled, backlog.stats().queued) == (1, 2)
    (tmp_path / "another.spool").unlink()
    backlog.adopt()
    backlog.put(record(4))
    assert backlog.stats().spooled == 2


def test_a_file_that_another_process_takes_while_it_is_made_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = Segment.create
    taken: list[Path] = []

    def interfere(path: Path) -> Segment:
        made = create(path)
        if len(taken) < 2:
            taken.append(path)
            if len(taken) == 1:
                raise BlockingIOError
            path.unlink()
        return made

    monkeypatch.setattr(Segment, "create", interfere)
    backlog = spooling(tmp_path)
    backlog.put(record(1))
    assert backlog.stats().spooled == 1
    assert len(taken) == 2
    monkeypatch.setattr(Segment, "create", lambda path: (_ for _ in ()).throw(BlockingIOError()))
    other = spooling(tmp_path)
    other.put(record(2))
    assert other.stats().queued == 1


def test_what_others_keep_in_the_folder_counts_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "MAX_SPOOL_BYTES", 2_000)
    (tmp_path / "another.spool").write_bytes(b"x" * 1_950)
    backlog = spooling(tmp_path)
    backlog.put(record(1))
    backlog.put(record(2))
    assert backlog.stats().queued >= 1


def test_a_folder_that_cannot_be_made_leaves_everything_in_memory(
    make_client: ClientFactory, loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(spool_dir="/dev/null/spool", tick=3000)
    for number in range(20):
        client.log(f"i{number}")
    assert client.stats() == Stats(logged=20, queued=20)
    assert client.flush()
    assert len(loopback.events) == 20
    (warning,) = caplog.records
    assert "cannot write to its spool in /dev/null/spool" in warning.getMessage()


@pytest.mark.parametrize("call", ["pwrite", "fsync"])
def test_a_disk_that_fails_keeps_no_part_and_is_tried_again(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backlog = Backlog(spool=Spool(tmp_path, "proj", fsync=True))
    backlog.put(record(1))
    real = getattr(os, call)

    def fail(fd: int, data: bytes = b"", place: int = 0) -> int:
        if call == "fsync":
            raise OSError(28, "No space left on device")
        return int(real(fd, data[: len(data) // 2], place))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        backlog.put(record(2))
    backlog.put(record(3))
    assert (backlog.stats().spooled, backlog.stats().queued) == (1, 2)
    monkeypatch.setattr(spool, "DISK_PAUSE_S", 0.0)
    assert backlog._spool is not None
    backlog._spool._next_try_at = 0.0
    backlog.put(record(4))
    assert backlog.stats().spooled == 2
    assert sorted(deliver(backlog)) == ["t1", "t2", "t3", "t4"]
    backlog.close()
    assert files(tmp_path) == []


def test_fsync_forces_each_record_and_its_folder_onto_the_disk(
    make_client: ClientFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    client = make_client(spool_dir=tmp_path, spool_fsync=True, tick=3000)
    client.log("i")
    client.log("i")
    assert len(synced) == 3
    other = make_client(spool_dir=tmp_path, tick=3000)
    other.log("i")
    assert len(synced) == 3


def test_a_disk_that_cannot_be_read_costs_what_is_on_it_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backlog = spooling(tmp_path)
    for number in range(3):
        backlog.put(record(number))
    with monkeypatch.context() as patched:
        patched.setattr(os, "pread", lambda *args: (_ for _ in ()).throw(OSError(5)))
        assert backlog.take() == []
    backlog.put(record(3))
    assert deliver(backlog) == ["t3"]
    assert backlog.stats() == Stats(logged=4, sent=1, dropped={"damaged_on_disk": 3})
    # For somebody to repair.
    assert len([file for file in files(tmp_path) if file.stat().st_size > FIRST_RECORD]) == 1


def test_a_signal_handler_that_logs_while_records_are_settled_waits_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backlog = spooling(tmp_path)
    backlog.put(record(1))
    empty = Segment.empty

    def interrupted(self: Segment) -> None:
        backlog.put(record(2))
        empty(self)

    monkeypatch.setattr(Segment, "empty", interrupted)
    assert deliver(backlog) == ["t1", "t2"]


def test_a_record_that_is_no_json_goes_by_memory(tmp_path: Path) -> None:
    backlog = spooling(tmp_path)
    backlog.put(Item(1, {"task_id": "t1", "input": float("nan")}))
    assert backlog.stats() == Stats(logged=1, queued=1)


def test_both_lanes_take_turns(tmp_path: Path) -> None:
    backlog = spooling(tmp_path)
    assert backlog._spool is not None
    for number in range(300):
        backlog._spool._next_try_at = float("inf") if number % 2 else 0.0
        backlog.put(record(number))
    kinds = []
    while batch := backlog.take():
        kinds.append(int(batch[0].body["task_id"][1:]) % 2)
        backlog.settle(len(batch))
    assert kinds == [0, 1, 0, 1]


def test_a_flush_knows_what_it_lost_from_disk(tmp_path: Path) -> None:
    backlog = spooling(tmp_path)
    backlog.put(record(1))
    flush = backlog.begin_flush()
    backlog.put(record(2))
    assert len(backlog.take()) == 2
    backlog.settle(2, {1: "rejected"})
    assert backlog.end_flush(flush) is True
    backlog.put(record(3))
    flush = backlog.begin_flush()
    backlog.take()
    backlog.settle(1, {0: "rejected"})
    assert backlog.end_flush(flush) is False
    assert backlog.stats() == Stats(logged=3, sent=1, dropped={"rejected": 2})


def test_only_the_poison_is_lost_from_disk(
    make_client: ClientFactory, loopback: Loopback, tmp_path: Path
) -> None:
    def refuse(request: Request) -> Reply | None:
        return Reply(422) if any(e["input"] == "poison" for e in request.events) else None

    loopback.decide = refuse
    client = make_client(spool_dir=tmp_path)
    for number in range(130):
        client.log("poison" if number == 77 else "good")
    assert client.flush() is False
    assert client.stats() == Stats(logged=130, sent=129, dropped={"rejected": 1})
    assert client.close(PATIENCE_S)
    assert files(tmp_path) == []


def test_a_child_does_not_keep_its_parents_files_locked(tmp_path: Path, loopback: Loopback) -> None:
    script = """
        import os, signal, sys, time, phospho
        phospho.init(tick=3000, spool_dir={folder!r})
        phospho.log("parent")
        if os.fork() == 0:
            signal.alarm(20)
            os.close(1), os.close(2)
            time.sleep(20)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    run_script(script.format(folder=str(tmp_path)), loopback.url)
    assert loopback.events == []
    done = run_script(
        f"import phospho; phospho.init(spool_dir={str(tmp_path)!r}); print(phospho.flush())",
        loopback.url,
    )
    assert done.stdout == "True\n", done.stderr
    assert [event["input"] for event in loopback.events] == ["parent"]


def test_an_exit_without_a_server_says_where_things_are(tmp_path: Path) -> None:
    script = "import phospho\nfor n in range(3): phospho.log('i')\n"
    done = run_script(
        script, f"http://127.0.0.1:{free_port()}", PHOSPHO_SPOOL_DIR=str(tmp_path / "spool")
    )
    assert f"3 interactions were not sent before exit; they are kept in {tmp_path}" in done.stderr
    with serve_phospho() as loopback:
        run_script("import phospho; phospho.init()", loopback.url, PHOSPHO_SPOOL_DIR=str(tmp_path))
        assert loopback.events == []
        run_script(
            PATIENT + "import phospho; phospho.init()",
            loopback.url,
            PHOSPHO_SPOOL_DIR=str(tmp_path / "spool"),
        )
        assert len(loopback.events) == 3


def test_a_client_that_is_disabled_touches_no_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOSPHO_DISABLED", "1")
    with Client("key", "proj", spool_dir=tmp_path / "spool") as client:
        client.log("i")
    assert not (tmp_path / "spool").exists()


def test_a_folder_is_told_from_a_file_and_from_nonsense(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    for value in (tmp_path / "file", 7, "a\0b"):
        with pytest.raises(ConfigurationError, match=r"spool_dir \(PHOSPHO_SPOOL_DIR\) must be"):
            Client("key", "proj", spool_dir=value)  # type: ignore[arg-type]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="file locks"):
        Client("key", "proj", spool_dir=tmp_path)


def test_the_folder_is_the_one_meant_when_the_client_was_made(
    make_client: ClientFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    client = make_client(spool_dir="~/spool", tick=3000)
    client.log("i")
    assert len(files(tmp_path / "spool")) == 1


class Processes(RuleBasedStateMachine):
    """Processes in one folder that log, send, settle, are killed, and end well, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.processes = [spooling(self.folder), spooling(self.folder)]
        self.under_way: list[list[str]] = [[], []]
        self.logged: list[str] = []
        self.settled: list[str] = []

    @rule(which=st.integers(0, 1), count=st.integers(1, 4))
    def log(self, which: int, count: int) -> None:
        for _ in range(count):
            self.processes[which].put(record(len(self.logged)))
            self.logged.append(f"t{len(self.logged)}")

    @rule(which=st.integers(0, 1))
    def send(self, which: int) -> None:
        if not self.under_way[which]:
            self.processes[which].adopt()
            batch = self.processes[which].take()
            self.under_way[which] = [item.body["task_id"] for item in batch]

    @precondition(lambda self: any(self.under_way))
    @rule(which=st.integers(0, 1), share=st.sampled_from([1, 2]))
    def settle(self, which: int, share: int) -> None:
        count = len(self.under_way[which]) // share
        if count:
            self.processes[which].settle(count)
            self.settled += self.under_way[which][:count]
            del self.under_way[which][:count]

    @rule(which=st.integers(0, 1), is_killed=st.booleans())
    def end(self, which: int, is_killed: bool) -> None:
        if not is_killed:
            self.processes[which].close()
        die(self.processes[which])
        self.processes[which] = spooling(self.folder)
        self.under_way[which] = []

    @invariant()
    def everything_is_either_settled_or_on_disk(self) -> None:
        kept = [line for file in files(self.folder) for line in _left_in(file)]
        assert sorted(self.settled + kept) == sorted(self.logged)
        assert all(is_consistent(process.stats()) for process in self.processes)

    def teardown(self) -> None:
        for process in self.processes:
            die(process)
        last = spooling(self.folder)
        assert sorted(self.settled + deliver(last)) == sorted(self.logged)
        self.folder.rmdir()


def _left_in(file: Path) -> list[str]:
    content = file.read_bytes()
    place = int(content[16 : FIRST_RECORD - 1])
    return [json.loads(line[9:])["task_id"] for line in content[place:].splitlines()]


@pytest.mark.parametrize("segment_bytes", [100, 10_000])
def test_whatever_processes_do_nothing_is_lost_and_nothing_comes_back(
    segment_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "SEGMENT_BYTES", segment_bytes)
    run_state_machine_as_test(
        Processes, settings=settings(max_examples=60, stateful_step_count=30, deadline=None)
    )


@pytest.fixture(autouse=True)
def warnings_are_collected(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "phospho")
