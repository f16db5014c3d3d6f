"""Bytes in and out, in threads."""

import asyncio
import errno
import os
import sys
import threading

import pytest

from asynchttp.faces.cli.pipes import Sink, Source, Worker

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="pipes and /dev/full of POSIX")


@pytest.fixture
def write(tmp_path):
    def write(content, name="urls.txt"):
        path = tmp_path / name
        path.write_bytes(content)
        return str(path)

    return write


@pytest.fixture
def pipe(monkeypatch):
    """A pipe, with its reading end as stdin's file descriptor 0."""
    reading, writing = os.pipe()
    real = os.dup(0)
    os.dup2(reading, 0)
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as end:
        yield end
    os.dup2(real, 0)
    os.close(real)


# ------------------------------------------------------------------------------------------------------- worker


@pytest.mark.asyncio
async def test_a_worker_returns_and_raises():
    """As if the function had been called here."""
    worker = Worker()
    assert await worker.call(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await worker.call(divmod, 7, 0)
    worker.stop()


@pytest.mark.asyncio
async def test_a_cancelled_wait_leaves_the_call_running():
    """The thread finishes what it does, and takes the next call."""
    worker, go, done = Worker(), threading.Event(), []
    waiting = asyncio.create_task(worker.call(lambda: done.append(go.wait())))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go.set()
    assert await worker.call(lambda: done) == [True]
    worker.stop()


def test_a_loop_that_is_gone_is_not_called():
    """A read that ends after the loop was closed ends in silence."""
    worker, go = Worker(), threading.Event()

    async def main():
        waiting = asyncio.ensure_future(worker.call(go.wait))
        await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(main())
    go.set()
    ended = threading.Event()
    worker._jobs.put(ended.set)
    assert ended.wait(50)
    worker.stop()


# ------------------------------------------------------------------------------------------------------- source


@pytest.mark.asyncio
@pytest.mark.parametrize("content", [b"", b"a", b"a\r\nb\n", b"a\n" * 100_000])
async def test_a_file_is_read_in_lines(write, content):
    """With their numbers, in a thread or not."""
    source = Source(write(content))
    streamed = [line async for line in source.stream()]
    source.rewind()
    assert streamed == list(source.lines())
    assert [raw for _, raw in streamed] == (content.removesuffix(b"\n").split(b"\n") if content else [])
    source.close()
    source.close()


def test_what_cannot_be_read_is_known_at_once(tmp_path, write):
    """No file, a directory, and another encoding, before anything is sent."""
    with pytest.raises(FileNotFoundError):
        Source(str(tmp_path / "none"))
    with pytest.raises(OSError, match=r"directory|denied"):
        Source(str(tmp_path))
    with pytest.raises(ValueError, match="UTF-16"):
        Source(write("http://a/".encode("utf-16")))


@posix_only
def test_a_pipe_is_read_as_it_comes(pipe):
    """Also byte by byte; nothing is known of its length."""
    threading.Thread(target=lambda: [pipe.write(bytes([byte])) for byte in b"ab\ncd"] and pipe.close()).start()
    source = Source("-")
    assert source.name == "<stdin>"
    assert source.count() is None
    assert list(source.lines()) == [(1, b"ab"), (2, b"cd")]
    source.close()
    os.fstat(0)  # stdin stays open


@posix_only
@pytest.mark.asyncio
async def test_a_pipe_that_stalls_does_not_stall_the_loop(pipe):
    """While it waits for the next line, other work goes on."""
    pipe.write(b"first\nsec")
    source = Source("-")
    stream = source.stream()
    assert await anext(stream) == (1, b"first")
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    pipe.write(b"ond\n")
    assert await waiting == (2, b"second")
    pipe.close()
    assert [line async for line in stream] == []


@posix_only
def test_a_pipe_that_is_not_blocking_is_waited_for(pipe):
    """Whoever shares it may have made it so."""
    os.set_blocking(0, False)
    threading.Timer(0.02, lambda: (pipe.write(b"late\n"), pipe.close())).start()
    assert list(Source("-").lines()) == [(1, b"late")]


@posix_only
def test_a_pipe_can_be_kept_and_read_twice(pipe):
    """In a temporary file, so that --strict can check what it then sends."""
    pipe.write(b"a\nb\n# c\n")
    pipe.close()
    source = Source("-")
    source.keep()
    assert source.count() == 2
    assert list(source.lines()) == [(1, b"a"), (2, b"b"), (3, b"# c")]
    source.rewind()
    source.keep()
    assert next(source.lines()) == (1, b"a")
    source.close()
    os.fstat(0)


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (b"", 0),
        (b"\n \n\t\r\n", 0),
        (b"a", 1),
        (b"# a\n  # b\r\nc\n\n  d\n", 2),
        (b"\xef\xbb\xbf# a\nb\n", 1),
        (b"x" * 300_000 + b"\ny\n#" + b"z" * 300_000, 2),
        (b"line\n" * 50_000, 50_000),
        (b" " * 300_000, 0),
    ],
)
def test_what_there_is_to_request_is_counted(write, content, count):
    """Without blank lines and comments, and without holding a long line; afterwards reading starts anew."""
    source = Source(write(content))
    assert source.count() == count
    assert b"".join(iter(source.read, b"")) == content


def test_reading_starts_where_stdin_stands(write):
    """`(read first; asynchttp map -) < file` goes on after the first line."""
    real, fd = os.dup(0), os.open(write(b"first\nsecond\n"), os.O_RDONLY)
    os.dup2(fd, 0)
    os.close(fd)
    try:
        os.read(0, 6)
        source = Source("-")
        assert source.count() == 1
        assert list(source.lines()) == [(1, b"second")]
    finally:
        os.dup2(real, 0)
        os.close(real)


def test_a_source_knows_itself(write, tmp_path):
    """By any name, so that the results do not replace it."""
    path = write(b"http://a/\n")
    (tmp_path / "link").symlink_to(path)
    source = Source(path)
    assert source.is_file(path)
    assert source.is_file(str(tmp_path / "link"))
    assert not source.is_file(write(b"", "other"))
    assert not source.is_file(str(tmp_path / "none"))


# --------------------------------------------------------------------------------------------------------- sink


@pytest.mark.asyncio
async def test_records_are_written_in_order(tmp_path):
    """An old file is emptied first."""
    path = tmp_path / "out"
    path.write_bytes(b"old")
    sink = Sink(str(path))
    assert path.read_bytes() == b""
    assert not sink.is_terminal
    for number in range(100):
        await sink.write(b"%d\n" % number)
    await sink.flush()
    assert path.read_bytes().split() == [b"%d" % number for number in range(100)]
    await sink.write(b"more\n")
    await sink.flush()
    assert path.read_bytes().endswith(b"99\nmore\n")
    sink.close()
    sink.close()


@pytest.mark.asyncio
async def test_a_sink_without_records_is_flushed(tmp_path):
    """There is nothing to wait for."""
    sink = Sink(str(tmp_path / "out"))
    await sink.flush()
    sink.close()


def test_a_sink_that_cannot_be_opened(tmp_path):
    """Is known before anything is sent."""
    with pytest.raises(IsADirectoryError):
        Sink(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        Sink(str(tmp_path / "none" / "out"))


@posix_only
@pytest.mark.asyncio
async def test_a_slow_reader_holds_up_the_writer_alone(tmp_path):
    """A megabyte is kept for it; then results wait, and the loop goes on."""
    path = str(tmp_path / "fifo")
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    sink = Sink(path)
    written = 0

    async def fill():
        nonlocal written
        for _ in range(64):
            await sink.write(b"x" * 65_535 + b"\n")
            written += 1

    filling = asyncio.ensure_future(fill())
    before = -1
    while written > before:
        before = written
        await asyncio.sleep(0.02)
    assert not filling.done()
    assert 16 <= written <= 40
    os.set_blocking(reader, True)
    received = 0
    while received < 64 * 65_536:
        received += len(await asyncio.to_thread(os.read, reader, 1 << 20))
    await filling
    await sink.flush()
    sink.close()
    os.close(reader)


@posix_only
@pytest.mark.asyncio
async def test_a_reader_that_has_gone_is_told(tmp_path):
    """By the next record, and by every flush."""
    path = str(tmp_path / "fifo")
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    sink = Sink(path)
    os.close(reader)
    await sink.write(b"x\n")
    with pytest.raises(BrokenPipeError) as told:
        await sink.flush()
    assert sink.failure is told.value
    with pytest.raises(BrokenPipeError):
        await sink.write(b"y\n")
    sink.close()


@pytest.mark.asyncio
async def test_a_full_disk_leaves_whole_records(tmp_path, monkeypatch):
    """What was written of the record that did not fit is taken back."""
    path = tmp_path / "out"
    sink = Sink(str(path))
    room, write = 10, os.write

    def limited(fd, data):
        nonlocal room
        if fd != sink._fd:
            return write(fd, data)
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(fd, data[: min(3, room)])
        room -= written
        return written

    monkeypatch.setattr("asynchttp.faces.cli.pipes.os.write", limited)
    await sink.write(b"1234\n")
    await sink.write(b"5678901\n")
    with pytest.raises(OSError, match="No space left"):
        await sink.flush()
    assert path.read_bytes() == b"1234\n"
    sink.close()


@posix_only
@pytest.mark.asyncio
async def test_a_pipe_that_is_not_blocking_is_written(tmp_path):
    """It is waited for, in the thread."""
    path = str(tmp_path / "fifo")
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    sink = Sink(path)
    os.set_blocking(sink._fd, False)
    await sink.write(b"x" * 200_000 + b"\n")
    await asyncio.sleep(0.02)
    os.set_blocking(reader, True)
    received = 0
    while received < 200_001:
        received += len(await asyncio.to_thread(os.read, reader, 1 << 20))
    await sink.flush()
    sink.close()
    os.close(reader)


@posix_only
@pytest.mark.asyncio
async def test_a_cancelled_flush_does_not_stop_the_writing(tmp_path):
    """What is finished is written, also when the wait for it is interrupted."""
    path = tmp_path / "out"
    sink = Sink(str(path))
    await sink.write(b"x\n")
    flushing = asyncio.ensure_future(sink.flush())
    await asyncio.sleep(0)
    flushing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flushing
    await sink.flush()
    assert path.read_bytes() == b"x\n"
    sink.close()
