"""Downloads, for threads that block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

if TYPE_CHECKING:
    import os

    from yarl import URL

    from asynchttp.faces.client import Client
    from asynchttp.faces.options import CallOptions, DownloadOptions
    from asynchttp.faces.sync import SyncResults
    from asynchttp.runtime.portal import Portal
    from asynchttp.streams.download import Downloaded
    from asynchttp.streams.hooks import Hook


class SyncDownloads:
    """What `SyncClient` has for files."""

    _client: Client
    _portal: Portal

    if TYPE_CHECKING:

        def _launch(self, inputs: Any, ordered: bool, make: Any) -> SyncResults[Any]: ...

    def download(
        self,
        url: str | URL,
        path: str | os.PathLike[str],
        *,
        resume: bool = True,
        checksum: str | None = None,
        on_progress: Hook | None = None,
        **options: Unpack[CallOptions],
    ) -> Downloaded:
        """Save what `url` has in a file, and go on where an earlier download has stopped; as `Client.download`.

        `on_progress` runs on the client's thread. A KeyboardInterrupt ends it, and what came is kept.
        """
        return self._portal.run(
            self._client.download,
            url,
            path,
            resume=resume,
            checksum=checksum,
            on_progress=on_progress,
            **options,
        )

    def download_all(
        self,
        inputs: Any,
        directory: str | os.PathLike[str],
        *,
        resume: bool = True,
        ordered: bool = True,
        **options: Unpack[DownloadOptions],
    ) -> SyncResults[Downloaded]:
        """Save many files in a directory; an iterator of `Result`, as `Client.download_all`. See `SyncResults`."""

        def make(source: Any) -> Any:
            return self._client.download_all(source, directory, resume=resume, ordered=ordered, **options)

        return self._launch(inputs, ordered, make)
