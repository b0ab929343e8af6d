# SPDX-License-Identifier: MIT
"""A smallest endpoint for Prometheus: watches files, and serves what the library counts at /metrics.

    python endpoint.py PORT FILE...

Then: curl http://127.0.0.1:PORT/metrics. examples/grafana has a dashboard for it. A program that has an endpoint
already sends the same text from there; docs/metrics.md shows it with prometheus_client.
"""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from qtforge.monitoring import METRICS_CONTENT_TYPE, PluginHotReloadManager


def handler_of(manager: PluginHotReloadManager) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/metrics":
                self.send_error(404, "only /metrics is here")
                return
            # On any thread, whatever the manager and its file systems are doing.
            text = manager.metrics().encode()
            self.send_response(200)
            self.send_header("Content-Type", METRICS_CONTENT_TYPE)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:
            """A scrape every few seconds is no news."""

    return Handler


def main() -> int:
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    with PluginHotReloadManager(dispatch="thread") as manager:
        manager.set_reload_callback(lambda plugin_id: print(f"{plugin_id} needs a reload", flush=True))
        for name in sys.argv[2:]:
            result = manager.enable_hot_reload(Path(name).name, name)
            if not result:
                print(f"cannot watch: {result.error.message}", file=sys.stderr)
                return 1
        with ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), handler_of(manager)) as server:
            print(f"http://127.0.0.1:{server.server_port}/metrics", flush=True)
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
