"""Downloads, as the client offers them: one file, or many."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from asynchttp.batch.downloads import Fetching, Journal
from asynchttp.batch.launch import launch
from asynchttp.batch.results import Results
from asynchttp.faces.lasting import Opening
from asynchttp.faces.options import DownloadOptions, check_known
from asynchttp.faces.progress import bar
from asynchttp.policy.download import check_checksum
from asynchttp.streams.download import Download, Downloaded, Target
from asynchttp.streams.hooks import check_hook
from asynchttp.values.request import Request

if TYPE_CHECKING:
    import os

    from yarl import URL

    from asynchttp.faces.core import Core
    from asynchttp.faces.options import CallOptions
    from asynchttp.streams.hooks import Hook


class Downloads:
    """What `Client` has for files."""

    _core: Core

    async def download(
        self,
        url: str | URL,
        path: str | os.PathLike[str],
        *,
        resume: bool = True,
        checksum: str | None = None,
        on_progress: Hook | None = None,
        **options: Unpack[CallOptions],
    ) -> Downloaded:
        """Save what `url` has in a file, and go on where an earlier download of it has stopped.

        The file is there as a whole or not at all: it grows beside its place, as ``.name.part``, is synced to the disk,
        and gets its name in one step, over a file that is there already. Where it breaks off, what came is kept with a
        note of its version (a strong ETag or Last-Modified), and the rest is asked for with ``Range`` and ``If-Range``: at
        once, as often as `retry` says and anew after each connection that brought 64 KiB or more, or by the next
        `download` of the same URL to the same path, also after the process was killed. Never are two versions joined:
        if the file has changed, or the server knows no ranges, the whole is fetched again.

        Each connection is a call of its own, with the limits, redirects, credentials and observers of any other; `total`
        is for all together, `attempt` ends with the headers. Cancelling it keeps what came.

        - `path`: a file, or a directory that is there: the file then has the name that Content-Disposition or the URL
          suggests, made safe, with a number if there is one of that name. A path that ends in a separator is a directory.
        - `resume`: False begins anew, and keeps nothing where it fails.
        - `checksum`: such as ``"sha256:9f86d0…"``; also md5, sha1, sha224, sha384 and sha512.
        - `on_progress`: called with a `Transfer` at most ten times a second and once at the end; a function or a
          coroutine function, which the next bytes wait for. `received` includes what was there before.

        Writing is done on the event loop, in pieces of a few hundred KiB at most; syncing and the checksum in a thread.
        `max_body` does not count. O(1) in memory.

        Raises:
            StatusError: another answer than the file.
            DecodeError: the checksum is another; nothing is kept.
            ProtocolError: the server contradicts itself about ranges.
            HTTPError: what the last connection ended with.
            OSError: the file cannot be written, as when the disk is full; what was written is kept.
            RuntimeError: another download writes this file.
            ValueError, TypeError: a bad argument, before anything is sent.

        Example:
            >>> async def main(client):
            ...     file = await client.download("https://example.com/a.iso", "a.iso")
            ...     return file.size, file.kept
        """
        core = self._core
        core.check_open()
        request = core.prepare(Request("GET", url, **options))
        download = Download(
            Opening(core),
            request,
            Target.of(path),
            resume=resume,
            checksum=check_checksum(checksum),
            on_progress=check_hook("on_progress", on_progress),
        )
        return await download.run()

    def download_all(
        self,
        inputs: Any,
        directory: str | os.PathLike[str],
        *,
        resume: bool = True,
        ordered: bool = True,
        **options: Unpack[DownloadOptions],
    ) -> Results[Downloaded]:
        """Save many files in a directory, which is made if it is not there; an async iterator of `Result`.

        Each item is a `download`, and `Result.value` a `Downloaded`; items and options are those of `map`. It can be
        stopped, or killed, and started again with the same inputs: what is whole is not asked for again, which a journal in
        the directory (``.asynchttp-downloads.jsonl``) remembers, and what has begun goes on. It remembers URLs
        without their secrets; a file that was moved or has another size is fetched again.

        - `resume`: False forgets all that, and fetches everything.

        Memory grows by some hundred bytes for each file. Leaving ``async with`` cancels what runs and keeps what came.

        Raises:
            TypeError, ValueError: a bad option, at once.
            OSError: the directory or its journal cannot be written, at once.
            RuntimeError: another `download_all` writes into this directory.

        Example:
            >>> async def main(client, urls):
            ...     async with client.download_all(urls, "photos", concurrency=8) as results:
            ...         return [result.value.path for result in results if result.ok]
        """
        core = self._core
        core.check_open()
        check_known("download_all", options, DownloadOptions)
        if options.get("progress") is True:
            options["progress"] = bar()
        path = Path(directory)
        journal = Journal(path, resume=resume)
        work = Fetching(core.engine, core.request_of, core.begin, Opening(core), path, journal, resume=resume)
        try:
            width = core.settings.limits.concurrency
            fanout = launch(inputs, work, core.state.deadlines, ordered=ordered, width=width, **options)
        except BaseException:
            work.close()
            raise
        core.fanouts.add(fanout)
        return Results(fanout)
