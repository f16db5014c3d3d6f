"""How do I fetch many URLs from a script that knows nothing of async?

`SyncClient` has the verbs of `Client`, and its own loop in its own thread. Its `map` is a plain iterator.

    python -m examples.script_without_async
"""

import csv
import io
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import asynchttp

TABLE = "city,path\nBern,/3\nOslo,/5\nRome,/8\n"


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Weather)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"

    with asynchttp.SyncClient(url, timeout=10) as client:
        print("one:", client.get("/1").json())

        # The table is read here, in this thread, as there is room for more requests.
        rows = csv.DictReader(io.StringIO(TABLE))
        for result in client.map((row["path"], {"tag": row["city"]}) for row in rows):
            print(result.tag, result.unwrap().json() if result.ok else result.error)

    server.shutdown()
    server.server_close()


class Weather(BaseHTTPRequestHandler):
    """A server on this machine: the path says how warm it is."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Answer."""
        body = b'{"degrees": %d}' % (10 + int(self.path[1:]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Keep quiet."""


if __name__ == "__main__":
    main()
